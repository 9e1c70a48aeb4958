import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'

import type { AggregatorError } from '../../../src/errors.ts'
import { E } from '../../../src/fp.ts'
import type { PluginState } from '../../../src/plugin-status.ts'
import { transitions } from '../../../src/plugins/process/lifecycle.ts'
import { StartFailure } from '../../../src/plugins/process/peer.ts'
import { query, settle, within } from '../_setup.ts'
import { response, silent, unreachable, type FakePeer } from './_peer.ts'
import { createRig, setUp } from './_supervisor.ts'

/** What a supervisor sees beside calls: how its peer is, and whether its program is still the same. */

test('asks for the health of a peer that serves, and only then', async (t) => {
  const { supervisor, serve, tick, starts, startAt, timers, advance } = setUp(t)
  await tick()
  const first = await serve()
  t.is(timers.size, 1)
  await advance(9_999)
  t.is(first.count.pings, 0)
  await advance(1)
  t.is(first.count.pings, 1)
  t.is(first.pingTimeoutMs, 5_000)
  await tick(2)
  t.is(first.count.pings, 3)
  await first.crash()
  await advance(1_000)
  t.is(starts.length, 2)
  t.is(timers.size, 0)
  await tick(2)
  await startAt(1).fail('no')
  t.is(first.count.pings, 3)
  await supervisor.close()
  t.is(timers.size, 0)
})

test('refuses calls at once while the peer does not answer, until it answers again', async (t) => {
  const { supervisor, serve, tick, ask, advance, path } = setUp(t)
  const peer = await serve()
  peer.pingFailure = silent
  await tick(2)
  t.deepEqual(await ask(), E.right(response))
  await tick(2)
  t.is(supervisor.status().state, 'ready')
  await tick()
  t.like(supervisor.status(), { state: 'unhealthy', pid: 1, lastError: `health check: ${silent.message}` })
  await advance(6_500)
  t.like(await ask(), {
    left: {
      _tag: 'PluginUnavailable',
      message: 'plugin "testds" does not answer its health check',
      retryAfterSeconds: 4,
    },
  })
  t.is(peer.calls.length, 1)
  peer.pingFailure = undefined
  await advance(3_500)
  t.deepEqual(await ask(), E.right(response))
  t.deepEqual(path(), ['starting', 'ready', 'unhealthy', 'ready'])
})

test('kills a peer that does not answer for long, and starts another one', async (t) => {
  const { supervisor, serve, tick, advance, path } = setUp(t)
  const peer = await serve()
  peer.pingFailure = silent
  await tick(5)
  t.is(peer.count.kills, 0)
  await tick()
  t.is(peer.count.kills, 1)
  t.like(supervisor.status(), {
    lastError: `health check: ${silent.message}`,
    lastExit: { pid: 1, code: null, signal: 'SIGKILL' },
  })
  await advance(1_000)
  await serve()
  t.deepEqual(path(), ['starting', 'ready', 'unhealthy', 'crashed', 'starting', 'ready'])
})

test('asks at once after a call that found nobody, or missed its deadline', async (t) => {
  const { serve, startAt, ask, path } = setUp(t, {}, { answersAtOnce: false })
  const peer = await serve()
  startAt(0).suspect()
  await settle()
  t.is(peer.count.pings, 1)
  const answer = ask()
  await peer.answer(E.left({ _tag: 'PluginTimeout', message: 'late' }))
  await answer
  await settle()
  t.is(peer.count.pings, 2)
  peer.pingFailure = unreachable
  startAt(0).suspect()
  await settle()
  t.is(peer.count.kills, 1)
  t.deepEqual(path(), ['starting', 'ready', 'crashed'])
  t.is(peer.count.pings, 4)
  startAt(0).suspect()
  await settle()
  t.is(peer.count.pings, 4)
})

test('takes calls that are answered after all for recovery', async (t) => {
  const { supervisor, serve, tick, ask } = setUp(t, {}, { answersAtOnce: false })
  const peer = await serve()
  const answer = ask()
  peer.pingFailure = silent
  await tick(3)
  t.is(supervisor.status().state, 'unhealthy')
  await peer.answer()
  t.deepEqual(await answer, E.right(response))
  t.is(supervisor.status().state, 'ready')
})

test('ends the calls that wait when the peer becomes unhealthy', async (t) => {
  const { serve, tick, ask } = setUp(t, { inFlight: 1 }, { answersAtOnce: false })
  const peer = await serve()
  const answers = [ask(), ask()]
  peer.pingFailure = silent
  await tick(3)
  t.like(await answers[1], { left: { _tag: 'PluginUnavailable' } })
  await peer.answer()
  t.deepEqual(await answers[0], E.right(response))
})

test('forgets its failures after long service even if illness came before the end', async (t) => {
  const { supervisor, clock, serve, startAt, failedAgainAfterMs, advance, tick } = setUp(t)
  void supervisor.start()
  await settle()
  await startAt(0).fail('no')
  await failedAgainAfterMs()
  await advance(2_000)
  const peer = await serve()
  await advance(300_000)
  peer.pingFailure = silent
  await tick(3)
  await peer.crash()
  t.is((supervisor.status().retryAtMs ?? 0) - clock.now(), 1_000)
})

test('hears of an end that comes while it asks', async (t) => {
  const { serve, tick, path, advance, timers } = setUp(t)
  const peer = await serve()
  peer.holdsPings = true
  await tick()
  await peer.crash()
  t.deepEqual(path(), ['starting', 'ready', 'crashed'])
  t.is(timers.size, 1)
  await advance(1_000)
  await peer.pong(unreachable)
  t.is(peer.count.kills, 0)
  t.is(path().at(-1), 'starting')
})

test('asks nothing more of a peer that is told to stop', async (t) => {
  const { supervisor, serve, tick, startAt, ask, advance } = setUp(t, {}, { answersAtOnce: false })
  const peer = await serve()
  void ask()
  peer.holdsPings = true
  await tick()
  const closed = supervisor.close()
  await peer.pong(unreachable)
  startAt(0).suspect()
  await advance(3_000)
  await closed
  t.deepEqual(peer.count, { stops: 1, kills: 0, pings: 1, left: 0 })
})

test('replaces a peer whose program was replaced, without a lost call', async (t) => {
  const { supervisor, serve, tick, replace, startAt, starts, ask, logger, path, changes } = setUp(
    t,
    { inFlight: 2 },
    { stamp: 'v1', answersAtOnce: false },
  )
  const old = await serve()
  const running = ask()
  await tick()
  t.is(starts.length, 1)
  replace('v2')
  await tick()
  t.is(starts.length, 2)
  const meanwhile = ask()
  const queued = ask()
  t.is(old.calls.length, 2)
  await tick()
  t.is(starts.length, 2)
  const next = await startAt(1).succeed()
  t.like(supervisor.status(), { state: 'ready', pid: 2, startCount: 2, inFlight: 2, queued: 1 })
  t.is(old.count.stops, 0)
  await old.answer()
  t.is(old.count.stops, 1)
  t.is(next.calls.length, 1)
  await next.answer()
  for (const answer of await Promise.all([running, meanwhile, queued])) t.deepEqual(answer, E.right(response))
  t.deepEqual(path(), ['starting', 'ready', 'ready'])
  t.is(changes.length, 3)
  t.like(logger.lines[2], {
    level: 'info',
    message: 'plugin is replaced',
    fields: { plugin: 'testds', pid: 2, oldPid: 1 },
  })
  t.is(logger.lines.length, 3)
  await tick(3)
  t.is(starts.length, 2)
  t.is(next.count.pings, 3)
})

test('replaces one program after the other', async (t) => {
  const { supervisor, serve, tick, replace, startAt, starts } = setUp(t, {}, { stamp: 'v1' })
  await serve()
  replace('v2')
  await tick()
  replace('v3')
  await tick()
  t.is(starts.length, 2)
  await startAt(1).succeed()
  await tick()
  await startAt(2).succeed()
  t.like(supervisor.status(), { state: 'ready', pid: 3, startCount: 3 })
})

test('forgets the failures of a program that was replaced', async (t) => {
  const { serve, startAt, failedAgainAfterMs, advance, supervisor, replace, tick, clock } = setUp(
    t,
    {},
    { stamp: 'v1' },
  )
  void supervisor.start()
  await settle()
  await startAt(0).fail('no')
  await failedAgainAfterMs()
  await advance(2_000)
  await serve()
  replace('v2')
  await tick()
  const next = await startAt(3).succeed()
  await next.crash()
  t.is((supervisor.status().retryAtMs ?? 0) - clock.now(), 1_000)
})

test('starts in time though the loop stood still', async (t) => {
  const { supervisor, startAt, starts, advance } = setUp(t, { backoff: { initialMs: 16_000 } }, { stamp: 'v1' })
  void supervisor.start()
  await settle()
  await startAt(0).fail('no')
  await advance(15_000)
  await advance(1_000)
  t.is(starts.length, 2)
})

test('gives the old peer no more than drainMs to end its calls', async (t) => {
  const { serve, tick, replace, startAt, ask, advance } = setUp(t, {}, { stamp: 'v1', answersAtOnce: false })
  const old = await serve()
  const running = ask()
  replace('v2')
  await tick()
  await startAt(1).succeed()
  await advance(2_999)
  t.is(old.count.stops, 0)
  await advance(1)
  t.is(old.count.stops, 1)
  t.like(await running, { left: { _tag: 'PluginUnavailable' } })
})

test('keeps the old peer when its successor does not start, and tries each program once', async (t) => {
  const { supervisor, serve, tick, replace, startAt, starts, ask, logger } = setUp(t, {}, { stamp: 'v1' })
  await serve()
  replace('v2')
  await tick()
  const exit = { code: 1, signal: null, stderr: 'hunter2' }
  await startAt(1).fail(new StartFailure(exit, 7, new Error('exited before it served')))
  t.like(supervisor.status(), {
    ...{ state: 'ready', pid: 1, startCount: 2, lastError: 'exited before it served' },
    ...{ lastExit: { pid: 7, stderr: '[redacted]' } },
  })
  t.deepEqual(await ask(), E.right(response))
  await tick(3)
  t.is(starts.length, 2)
  const [, , line, ...more] = logger.lines
  t.like(line, {
    level: 'error',
    message: 'plugin cannot be replaced, its old process serves on',
    fields: { plugin: 'testds', pid: 7, code: 1, error: 'exited before it served', stderr: '[redacted]' },
  })
  t.deepEqual(more, [])
  // the old program again needs no new process, the failed one is known
  for (const program of ['v1', 'v2']) {
    replace(program)
    await tick()
    t.is(starts.length, 2)
  }
  replace('v3')
  await tick()
  await startAt(2).succeed()
  t.like(supervisor.status(), { state: 'ready', pid: 3 })
})

test('serves on without its program, and says so once', async (t) => {
  const { serve, tick, replace, starts, ask, logger } = setUp(t, {}, { stamp: 'v1' })
  await serve()
  replace(undefined)
  await tick(3)
  t.deepEqual(await ask(), E.right(response))
  replace('v1')
  await tick()
  t.is(starts.length, 1)
  t.deepEqual(
    logger.lines.slice(2).map(({ level, message }) => [level, message]),
    [['warn', 'the program of a plugin is gone, its process serves on']],
  )
  replace(undefined)
  await tick()
  t.is(logger.lines.length, 4)
})

test('starts a replaced program at once when the last one keeps failing, with its failures forgotten', async (t) => {
  const { supervisor, startAt, starts, replace, advance, clock, tick } = setUp(
    t,
    { backoff: { initialMs: 50_000 }, crashLoopAfter: 2 },
    { stamp: 'v1' },
  )
  void supervisor.start()
  await settle()
  await startAt(0).fail('no')
  await advance(9_999)
  replace('v2')
  await advance(1)
  t.is(starts.length, 2)
  await startAt(1).fail('no')
  t.is(supervisor.status().state, 'crashed')
  const retryAtMs = supervisor.status().retryAtMs ?? 0
  t.is(retryAtMs - clock.now(), 50_000)
  await tick(4)
  t.is(starts.length, 2)
  await tick()
  t.is(starts.length, 3)
  t.is(clock.now(), retryAtMs)
  await startAt(2).fail('no')
  t.is(supervisor.status().state, 'crash-looping')
  replace('v3')
  await tick()
  await startAt(3).succeed()
  t.is(supervisor.status().state, 'ready')
})

test('starts no program that is missing before its time', async (t) => {
  const { supervisor, startAt, starts, replace, tick } = setUp(t, { backoff: { initialMs: 30_000 } }, { stamp: 'v1' })
  void supervisor.start()
  await settle()
  await startAt(0).fail('no')
  replace(undefined)
  await tick(2)
  t.is(starts.length, 1)
})

test('lets an unhealthy peer be replaced', async (t) => {
  const { serve, tick, replace, startAt, path } = setUp(t, {}, { stamp: 'v1' })
  const old = await serve()
  old.pingFailure = silent
  await tick(3)
  replace('v2')
  await tick()
  await startAt(1).succeed()
  t.deepEqual(path(), ['starting', 'ready', 'unhealthy', 'ready'])
  t.is(old.count.stops, 1)
  await tick(3)
  t.is(path().length, 4)
})

test('waits for the successor that starts already when the old peer ends', async (t) => {
  const { supervisor, serve, tick, replace, startAt, starts, ask, path, timers, changes, clock } = setUp(
    t,
    {},
    { stamp: 'v1' },
  )
  const old = await serve()
  replace('v2')
  await tick()
  await old.crash()
  t.deepEqual(path(), ['starting', 'ready', 'crashed', 'starting'])
  t.is(changes[2]?.to.retryAtMs, clock.now())
  t.like(supervisor.status(), { state: 'starting', startCount: 2 })
  t.is(timers.size, 0)
  const answer = ask()
  const next = await startAt(1).succeed()
  t.deepEqual(await answer, E.right(response))
  t.is(starts.length, 2)
  t.is(next.calls.length, 1)
  t.is(old.count.stops, 0)
})

test('backs off when the old peer ends and its successor does not start', async (t) => {
  const { serve, tick, replace, startAt, starts, path, advance } = setUp(t, {}, { stamp: 'v1' })
  const old = await serve()
  replace('v2')
  await tick()
  await old.crash()
  await startAt(1).fail('no')
  t.deepEqual(path().slice(-2), ['starting', 'crashed'])
  await advance(2_000)
  t.is(starts.length, 3)
})

test('stops both peers when it is closed in the middle of a replacement', async (t) => {
  for (const answersItsStart of [true, false]) {
    const rig = setUp(t, {}, { stamp: 'v1', answersAtOnce: false, ignoresAbort: answersItsStart })
    const old = await rig.serve()
    rig.replace('v2')
    await rig.tick()
    const closed = rig.supervisor.close()
    t.true(rig.startAt(1).signal.aborted)
    if (answersItsStart) {
      const next = await rig.startAt(1).succeed()
      t.is(next.count.stops, 1)
    }
    await closed
    t.is(old.count.stops, 1)
    t.deepEqual(rig.path(), ['starting', 'ready', 'stopping', 'stopped'])
  }
})

test('waits for a peer that was replaced when it is closed', async (t) => {
  const { supervisor, serve, tick, replace, startAt, ask, advance } = setUp(
    t,
    {},
    { stamp: 'v1', answersAtOnce: false },
  )
  const old = await serve()
  const running = ask()
  replace('v2')
  await tick()
  const next = await startAt(1).succeed()
  const closed = supervisor.close()
  await settle()
  t.is(next.count.stops, 1)
  t.is(supervisor.status().state, 'stopping')
  await advance(1_000)
  await old.answer()
  t.deepEqual(await running, E.right(response))
  await closed
  t.is(old.count.stops, 1)
})

test('looks at no program after a stamp that throws', async (t) => {
  let isBroken = false
  const rig = setUp(
    t,
    {},
    {
      stamp: 'v1',
      read: () => {
        if (isBroken) throw new Error('EACCES')
        return 'v1'
      },
    },
  )
  await rig.serve()
  isBroken = true
  await rig.tick(2)
  t.is(rig.starts.length, 1)
  t.deepEqual(await rig.ask(), E.right(response))
})

type Action =
  | { readonly do: 'call' | 'leave' | 'answer' | 'succeed' | 'fail' | 'crash' | 'suspect' | 'close' }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'health'; readonly as: 'silent' | 'unreachable' | 'well' }
  | { readonly do: 'program'; readonly is: string | undefined }

const simple = (...names: ReadonlyArray<Exclude<Action['do'], 'advance' | 'health' | 'program'>>) =>
  fc.constantFrom(...names.map((name): Action => ({ do: name })))

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 30, arbitrary: simple('call', 'call', 'leave', 'answer', 'succeed', 'succeed', 'fail', 'suspect') },
  { weight: 20, arbitrary: fc.constantFrom(100, 1_000, 10_000, 10_000).map((ms): Action => ({ do: 'advance', ms })) },
  {
    weight: 5,
    arbitrary: fc.constantFrom('silent', 'unreachable', 'well').map((as): Action => ({ do: 'health', as })),
  },
  { weight: 5, arbitrary: fc.constantFrom('v1', 'v2', 'v3', undefined).map((is): Action => ({ do: 'program', is })) },
  { weight: 3, arbitrary: simple('crash') },
  { weight: 1, arbitrary: simple('close') },
)

/** How one life went: what never may be, it asserts. */
const live = async (t: ExecutionContext, actions: ReadonlyArray<Action>, ignoresAbort: boolean): Promise<void> => {
  const rig = createRig(
    { inFlight: 2, queue: 2, crashLoopAfter: 2, probe: { failures: 1, successes: 1, restartAfter: 3 } },
    { stamp: 'v1', answersAtOnce: false, ignoresAbort },
  )
  const { supervisor, starts, peers, clock, advance } = rig
  const controllers: Array<AbortController> = []
  const answers: Array<Promise<E.Either<AggregatorError, unknown>>> = []
  const crashed = new Set<FakePeer>()
  let settledStarts = 0

  const isUp = (peer: FakePeer): boolean => peer.count.stops + peer.count.kills === 0 && !crashed.has(peer)
  const callsMade = (): number => peers.reduce((sum, { calls }) => sum + calls.length, 0)
  const call = (): void => {
    const controller = new AbortController()
    const before = supervisor.status()
    const madeBefore = callsMade()
    controllers.push(controller)
    answers.push(supervisor.client.queryData(query(), within(20_000, controller.signal))())
    t.is(callsMade() - madeBefore, before.state === 'ready' && before.inFlight < 2 ? 1 : 0)
  }
  const settleStart = async (how: 'succeed' | 'fail'): Promise<void> => {
    const start = starts[settledStarts]
    if (start === undefined) return
    settledStarts += 1
    if (how === 'fail') await start.fail('no')
    else if (ignoresAbort || !start.signal.aborted) await start.succeed()
  }
  const act = async (action: Action): Promise<void> => {
    const newest = peers.at(-1)
    switch (action.do) {
      case 'call':
        call()
        break
      case 'leave':
        controllers.shift()?.abort()
        break
      case 'answer':
        for (const peer of peers) await peer.answer()
        break
      case 'succeed':
      case 'fail':
        await settleStart(action.do)
        break
      case 'crash':
        if (newest === undefined) break
        crashed.add(newest)
        await newest.crash()
        break
      case 'suspect':
        for (const start of starts) start.suspect()
        break
      case 'close':
        void supervisor.close()
        break
      case 'advance':
        await advance(action.ms)
        break
      case 'health':
        if (newest !== undefined) newest.pingFailure = { silent, unreachable, well: undefined }[action.as]
        break
      case 'program':
        rig.replace(action.is)
        break
    }
    await settle()
  }

  for (const action of actions) {
    await act(action)
    const { state, inFlight, queued, retryAtMs } = supervisor.status()
    t.true(peers.filter(isUp).length <= 2)
    t.is(retryAtMs !== undefined, state === 'crashed' || state === 'crash-looping')
    t.true((retryAtMs ?? Infinity) >= clock.now())
    t.true(inFlight <= 2 && queued <= 4 && (state !== 'ready' || queued === 0 || inFlight === 2))
    t.true(queued === 0 || state === 'starting' || state === 'ready')
  }

  const closed = supervisor.close()
  while (starts.length > settledStarts) await settleStart('succeed')
  await advance(3_000)
  await closed
  for (const peer of peers) await peer.answer()
  for (const answer of await Promise.all(answers)) t.true(E.isRight(answer) || answer.left._tag !== 'Unexpected')
  t.true(callsMade() <= answers.length)
  t.deepEqual(peers.filter(isUp), [])
  t.is(rig.timers.size, 0)
  t.like(supervisor.status(), { state: 'stopped', inFlight: 0, queued: 0 })
  let last: PluginState = 'idle'
  for (const { from, to } of rig.changes) {
    t.is(from, last)
    t.true(transitions[from].includes(to.state) || (from === 'ready' && to.state === 'ready'))
    last = to.state
  }
  const told = rig.logger.lines.filter(({ fields: { from } }) => typeof from === 'string')
  t.deepEqual(
    told.map(({ fields }) => fields['to']),
    rig.path(),
  )
}

test('keeps its promises whatever happens, in whatever order', async (t) => {
  const life = fc.asyncProperty(
    fc.array(action, { minLength: 40, maxLength: 80 }),
    fc.boolean(),
    (actions, ignoresAbort) => live(t, actions, ignoresAbort),
  )
  await fc.assert(life, { numRuns: 100 })
})
