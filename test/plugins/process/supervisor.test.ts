import test from 'ava'

import { E } from '../../../src/fp.ts'
import { silentLogger } from '../../../src/logger.ts'
import type { PluginState } from '../../../src/plugin-status.ts'
import { createLifecycle, transitions } from '../../../src/plugins/process/lifecycle.ts'
import { StartFailure } from '../../../src/plugins/process/peer.ts'
import { query, settle, within } from '../_setup.ts'
import { response, silent } from './_peer.ts'
import { setUp, type Rig, type World } from './_supervisor.ts'

test('starts nothing before the first call', async (t) => {
  const { supervisor, starts, startAt, ask, clock } = setUp(t)
  await settle()
  t.is(starts.length, 0)
  const idle = { id: 'testds', version: '1.2.3', state: 'idle', startCount: 0, inFlight: 0, queued: 0 }
  t.deepEqual(supervisor.status(), { ...idle, sinceMs: clock.now() })
  const answer = ask()
  await settle()
  t.like(supervisor.status(), { state: 'starting', startCount: 1, queued: 1 })
  await startAt(0).succeed()
  t.deepEqual(await answer, E.right(response))
  t.deepEqual(supervisor.status(), { ...idle, state: 'ready', sinceMs: clock.now(), startCount: 1, pid: 1 })
})

test('starts once for many calls, and for start itself', async (t) => {
  const { supervisor, starts, startAt, ask } = setUp(t)
  const all = [ask(), ask(), supervisor.start(), ask()]
  await settle()
  await startAt(0).succeed()
  await Promise.all(all)
  await supervisor.start()
  t.is(starts.length, 1)
})

test('passes on what is left of the time after waiting', async (t) => {
  const { advance, startAt, ask } = setUp(t)
  const answer = ask(within(10_000))
  await advance(2_000)
  const peer = await startAt(0).succeed()
  await answer
  t.is(peer.calls[0]?.timeoutMs, 8_000)
})

test('lets a call wait for a start no longer than startWaitMs', async (t) => {
  const { advance, ask, timers } = setUp(t)
  const answer = ask()
  await advance(5_000)
  t.like(await answer, {
    left: { _tag: 'PluginUnavailable', message: 'plugin "testds" is still starting', retryAfterSeconds: 1 },
  })
  t.is(timers.size, 0)
})

test('lets a call wait no longer than its own time', async (t) => {
  const { advance, ask } = setUp(t)
  const answer = ask(within(2_000))
  await advance(2_000)
  t.like(await answer, { left: { _tag: 'PluginTimeout', message: 'plugin "testds" did not start in time' } })
})

test('ends a waiting call at once when its client leaves', async (t) => {
  const { ask, timers } = setUp(t)
  const controller = new AbortController()
  const answer = ask(within(60_000, controller.signal))
  controller.abort()
  t.like(await answer, { left: { _tag: 'Cancelled' } })
  t.is(timers.size, 0)
})

test('fails the waiting calls at once when the first start fails, and tries again', async (t) => {
  const { supervisor, advance, starts, startAt, ask } = setUp(t)
  const answer = ask()
  await settle()
  await startAt(0).fail('exited before it served')
  t.like(await answer, { left: { _tag: 'PluginUnavailable', retryAfterSeconds: 1 } })
  t.like(supervisor.status(), { state: 'crashed', lastError: 'exited before it served' })
  await advance(1_000)
  t.is(starts.length, 2)
  await startAt(1).succeed()
  t.deepEqual(await ask(), E.right(response))
})

test('refuses calls while it is down, with the whole seconds until the next start', async (t) => {
  const { supervisor, advance, startAt, ask } = setUp(t, { backoff: { initialMs: 7_500 } })
  void supervisor.start()
  await settle()
  await startAt(0).fail('no')
  t.like(await ask(), {
    left: {
      _tag: 'PluginUnavailable',
      message: 'plugin "testds" is down, it will be tried again',
      retryAfterSeconds: 8,
    },
  })
  await advance(7_400)
  t.like(await ask(), { left: { _tag: 'PluginUnavailable', retryAfterSeconds: 1 } })
})

test('doubles the delay at each failure up to its maximum', async (t) => {
  const { supervisor, startAt, failedAgainAfterMs } = setUp(t)
  void supervisor.start()
  await settle()
  await startAt(0).fail('no')
  const delays: Array<number> = []
  for (let i = 0; i < 8; i++) delays.push(await failedAgainAfterMs())
  t.deepEqual(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
})

test('shortens the delay by chance, so that plugins do not start in step', async (t) => {
  const { supervisor, startAt, failedAgainAfterMs } = setUp(t, {}, { random: () => 0.5 })
  void supervisor.start()
  await settle()
  await startAt(0).fail('no')
  t.is(await failedAgainAfterMs(), 900)
})

test('forgets its failures after a process that served long enough', async (t) => {
  const { supervisor, clock, advance, startAt, serve, failedAgainAfterMs } = setUp(t)
  void supervisor.start()
  await settle()
  await startAt(0).fail('no')
  await failedAgainAfterMs()
  await advance(2_000)
  const short = await serve()
  await advance(299_999)
  await short.crash()
  t.is((supervisor.status().retryAtMs ?? 0) - clock.now(), 4_000)
  await advance(4_000)
  const long = await serve()
  await advance(300_000)
  await long.crash()
  t.is((supervisor.status().retryAtMs ?? 0) - clock.now(), 1_000)
})

test('calls failures in a row a crash loop, and goes on trying', async (t) => {
  const { supervisor, startAt, failedAgainAfterMs, path, ask, advance, serve } = setUp(t)
  void supervisor.start()
  await settle()
  await startAt(0).fail('no')
  await failedAgainAfterMs()
  t.is(supervisor.status().state, 'crashed')
  await failedAgainAfterMs()
  t.is(supervisor.status().state, 'crash-looping')
  t.like(await ask(), { left: { _tag: 'PluginUnavailable', retryAfterSeconds: 4 } })
  await advance(4_000)
  const peer = await serve()
  t.deepEqual(await ask(), E.right(response))
  await peer.crash()
  t.deepEqual(path().slice(-3), ['starting', 'ready', 'crash-looping'])
})

test('starts a new process after a crash', async (t) => {
  const { supervisor, advance, clock, serve, ask } = setUp(t)
  const first = await serve()
  await advance(1)
  await first.crash({ code: null, signal: 'SIGKILL', stderr: 'password hunter2' })
  t.like(supervisor.status(), {
    state: 'crashed',
    startCount: 1,
    lastError: 'exited with signal SIGKILL',
    lastExit: { pid: 1, code: null, signal: 'SIGKILL', stderr: 'password [redacted]', atMs: clock.now() },
    retryAtMs: clock.now() + 1_000,
  })
  t.false('pid' in supervisor.status())
  await advance(1_000)
  const second = await serve()
  await ask()
  t.is(first.calls.length, 0)
  t.is(second.calls.length, 1)
  t.like(supervisor.status(), { state: 'ready', pid: 2, startCount: 2 })
  t.false('retryAtMs' in supervisor.status())
})

test('writes one line for each change of state, without secrets', async (t) => {
  const { supervisor, logger, changes, tick, advance, serve, startAt } = setUp(t)
  const peer = await serve()
  peer.pingFailure = { kind: 'silent', message: 'no answer to hunter2' }
  await tick(3)
  peer.pingFailure = undefined
  await tick()
  await peer.crash()
  await advance(1_000)
  const exit = { code: 1, signal: null, stderr: 'no hunter2' }
  await startAt(1).fail(new StartFailure(exit, 77, new Error('did not serve: hunter2')))
  await advance(2_000)
  await startAt(2).fail('no')
  await supervisor.close()
  const plugin = 'testds'
  t.deepEqual(
    logger.lines.map(({ level, message, fields: { from, to } }) => [level, message, from, to]),
    [
      ['info', 'plugin is starting', 'idle', 'starting'],
      ['info', 'plugin is ready', 'starting', 'ready'],
      ['warn', 'plugin is unhealthy', 'ready', 'unhealthy'],
      ['info', 'plugin is ready', 'unhealthy', 'ready'],
      ['error', 'plugin is crashed', 'ready', 'crashed'],
      ['info', 'plugin is starting', 'crashed', 'starting'],
      ['error', 'plugin is crashed', 'starting', 'crashed'],
      ['info', 'plugin is starting', 'crashed', 'starting'],
      ['error', 'plugin is crash-looping', 'starting', 'crash-looping'],
      ['info', 'plugin is stopping', 'crash-looping', 'stopping'],
      ['info', 'plugin is stopped', 'stopping', 'stopped'],
    ],
  )
  t.deepEqual(
    changes.map(({ from, to }) => [from, to.state]),
    logger.lines.map(({ fields: { from, to } }) => [from, to]),
  )
  const [, ready, unhealthy, , crashed, , notStarted] = logger.lines.map(({ fields }) => fields)
  t.like(ready, { plugin, pid: 1, startCount: 1 })
  t.like(unhealthy, { plugin, pid: 1, startCount: 1, error: 'health check: no answer to [redacted]' })
  t.like(crashed, {
    ...{ plugin, pid: 1, startCount: 1, code: 2, signal: null, stderr: 'panic: [redacted]' },
    ...{ error: 'exited with code 2', delayMs: 1_000 },
  })
  t.like(notStarted, {
    ...{ plugin, pid: 77, startCount: 2, code: 1, signal: null, stderr: 'no [redacted]' },
    ...{ error: 'did not serve: [redacted]', delayMs: 2_000 },
  })
  t.like(changes[6]?.to, { lastExit: { pid: 77, stderr: 'no [redacted]' }, lastError: 'did not serve: [redacted]' })
})

test('keeps going whatever a watcher throws', async (t) => {
  const rig: Rig = {
    onChange: () => {
      throw new Error('a bug')
    },
  }
  const { supervisor, serve, logger, changes, ask } = setUp(t, {}, rig)
  await serve()
  t.deepEqual(await ask(), E.right(response))
  await supervisor.close()
  t.is(changes.length, 4)
  t.is(logger.lines.filter(({ message }) => message === 'a watcher of plugins threw').length, 4)
})

test('lets a watcher close it in the middle of any change', async (t) => {
  for (const state of ['starting', 'ready', 'unhealthy', 'crashed'] as const) {
    let close = (): Promise<void> => Promise.resolve()
    const rig = setUp(t, {}, { onChange: ({ to }) => to.state === state && void close() })
    close = () => rig.supervisor.close()
    void rig.supervisor.start()
    await settle()
    await rig.starts[0]?.succeed()
    for (const peer of rig.peers) peer.pingFailure = silent
    await rig.tick(3)
    await rig.peers[0]?.crash()
    await rig.supervisor.close()
    t.deepEqual(rig.path().slice(-3), [state, 'stopping', 'stopped'])
    t.is(rig.timers.size, 0)
    t.is(rig.starts.length, 1)
  }
})

test('lets running calls end before it stops the process, and takes no new ones', async (t) => {
  const { supervisor, startAt, ask, timers } = setUp(t, {}, { answersAtOnce: false })
  const answer = ask()
  await settle()
  const peer = await startAt(0).succeed()
  const closed = supervisor.close()
  await settle()
  t.is(peer.count.stops, 0)
  t.like(supervisor.status(), { state: 'stopping', pid: 1, inFlight: 1 })
  t.like(await ask(), { left: { _tag: 'PluginUnavailable', message: 'plugin "testds" is being stopped' } })
  await peer.answer()
  t.deepEqual(await answer, E.right(response))
  await closed
  t.is(peer.count.stops, 1)
  t.is(timers.size, 0)
  t.like(supervisor.status(), { state: 'stopped', inFlight: 0, lastExit: { pid: 1, code: 0 } })
  t.false('pid' in supervisor.status())
})

test('waits for running calls no longer than drainMs', async (t) => {
  const { supervisor, advance, startAt, ask } = setUp(t, {}, { answersAtOnce: false })
  const answer = ask()
  await settle()
  const peer = await startAt(0).succeed()
  const closed = supervisor.close()
  await advance(2_999)
  t.is(peer.count.stops, 0)
  await advance(1)
  await closed
  t.is(peer.count.stops, 1)
  t.like(await answer, { left: { _tag: 'PluginUnavailable' } })
})

test('stops a start that goes on when it is closed', async (t) => {
  const { supervisor, starts, startAt, ask } = setUp(t)
  const answer = ask()
  await settle()
  await supervisor.close()
  t.true(startAt(0).signal.aborted)
  t.like(await answer, { left: { _tag: 'PluginUnavailable' } })
  await supervisor.start()
  t.is(starts.length, 1)
})

test('stops what a start gives though it was told to end', async (t) => {
  const { supervisor, startAt, path } = setUp(t, {}, { ignoresAbort: true })
  void supervisor.start()
  await settle()
  const closed = supervisor.close()
  const peer = await startAt(0).succeed()
  await closed
  t.is(peer.count.stops, 1)
  t.deepEqual(path(), ['starting', 'stopping', 'stopped'])
})

test('forgets the next start when it is closed, and may be closed twice', async (t) => {
  const { supervisor, startAt, timers } = setUp(t)
  void supervisor.start()
  await settle()
  await startAt(0).fail('no')
  await Promise.all([supervisor.close(), supervisor.close()])
  t.is(timers.size, 0)
})

test('stops a peer once, however often it is closed', async (t) => {
  const { supervisor, serve, ask } = setUp(t, {}, { answersAtOnce: false })
  const peer = await serve()
  const answer = ask()
  const closed = [supervisor.close(), supervisor.close()]
  await peer.answer()
  await Promise.all([...closed, answer, supervisor.close()])
  t.is(peer.count.stops, 1)
})

test('counts no stream of a peer that is gone, though its reader is away', async (t) => {
  const { supervisor, serve } = setUp(t, {}, { answersAtOnce: false })
  const peer = await serve()
  const stream = supervisor.client.queryChunkedData(query(), within(60_000))[Symbol.asyncIterator]()
  const first = stream.next()
  await settle()
  await peer.answer()
  await first
  t.is(supervisor.status().inFlight, 1)
  await peer.crash()
  t.is(supervisor.status().inFlight, 0)
})

test('closes what never started', async (t) => {
  const { supervisor, starts } = setUp(t)
  await supervisor.close()
  t.like(supervisor.status(), { state: 'stopped', startCount: 0 })
  t.is(starts.length, 0)
})

test('closes though a peer cannot be stopped', async (t) => {
  const { supervisor, serve, logger } = setUp(t)
  const peer = await serve()
  peer.stop = () => Promise.reject(new Error('no'))
  await supervisor.close()
  t.is(logger.lines.filter(({ message }) => message === 'plugin cannot be stopped').length, 1)
})

test('takes a start that throws for one that failed', async (t) => {
  const { supervisor } = setUp(
    t,
    {},
    {
      start: () => {
        throw new Error('a bug')
      },
    },
  )
  await supervisor.start()
  t.like(supervisor.status(), { state: 'crashed', lastError: 'a bug' })
})

const begin = async ({ supervisor }: World): Promise<void> => {
  void supervisor.start()
  await settle()
}
const crash = async ({ peers }: World): Promise<void> => {
  await peers[0]?.crash()
}
const close = ({ supervisor }: World): Promise<void> => supervisor.close()
const failStart = async ({ startAt }: World): Promise<void> => startAt(0).fail('no')

/** One way into each state. */
const reach: Readonly<Record<PluginState, (world: World) => Promise<unknown>>> = {
  idle: () => Promise.resolve(),
  starting: begin,
  ready: ({ serve }) => serve(),
  unhealthy: async ({ serve, tick }) => {
    const peer = await serve()
    peer.pingFailure = silent
    await tick(3)
  },
  crashed: async (world) => {
    await begin(world)
    await failStart(world)
  },
  'crash-looping': async (world) => {
    await begin(world)
    await failStart(world)
  },
  stopping: async ({ serve, ask, supervisor }) => {
    await serve()
    void ask()
    void supervisor.close()
  },
  stopped: close,
}

/** What makes one state of another. */
const steps: Readonly<Record<string, (world: World) => Promise<unknown>>> = {
  'idle > starting': begin,
  'idle > stopping': close,
  'starting > ready': ({ startAt }) => startAt(0).succeed(),
  'starting > crashed': failStart,
  'starting > crash-looping': failStart,
  'starting > stopping': close,
  'ready > unhealthy': async ({ peers, tick }) => {
    for (const peer of peers) peer.pingFailure = silent
    await tick(3)
  },
  'ready > crashed': crash,
  'ready > crash-looping': crash,
  'ready > stopping': close,
  'unhealthy > ready': async ({ peers, tick }) => {
    for (const peer of peers) peer.pingFailure = undefined
    await tick()
  },
  'unhealthy > crashed': crash,
  'unhealthy > crash-looping': crash,
  'unhealthy > stopping': close,
  'crashed > starting': ({ advance }) => advance(1_000),
  'crashed > stopping': close,
  'crash-looping > starting': ({ advance }) => advance(1_000),
  'crash-looping > stopping': close,
  'stopping > stopped': async ({ peers }) => {
    await peers[0]?.answer()
  },
}

test('stays as it is when asked for what may not follow', (t) => {
  const lifecycle = createLifecycle({
    logger: silentLogger,
    now: () => 0,
    onEnter: () => {
      t.fail()
    },
    status: () => {
      throw new Error('there was no change')
    },
    onChange: () => {
      t.fail()
    },
  })
  lifecycle.enter('ready')
  t.is(lifecycle.state, 'idle')
})

test('walks every way from one state to the next', async (t) => {
  const ways = Object.entries(transitions).flatMap(([from, nexts]) => nexts.map((to) => `${from} > ${to}`))
  t.deepEqual(Object.keys(steps).sort(), ways.sort())
  for (const [from, nexts] of Object.entries(transitions) as ReadonlyArray<[PluginState, ReadonlyArray<PluginState>]>) {
    for (const to of nexts) {
      const crashLoopAfter = from === 'crash-looping' || to === 'crash-looping' ? 1 : 3
      const world = setUp(t, { crashLoopAfter }, { answersAtOnce: false })
      await reach[from](world)
      t.is(world.supervisor.status().state, from)
      const before = world.changes.length
      await steps[`${from} > ${to}`]?.(world)
      t.like(world.changes[before], { from, to: { state: to } })
      t.is(world.logger.lines.length, world.changes.length)
    }
  }
})
