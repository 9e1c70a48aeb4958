import test, { type ExecutionContext } from 'ava'

import { E, TE } from '../../../src/fp.ts'
import type { CallOptions, PluginClient, QueryDataResponse } from '../../../src/plugin.ts'
import type { ProcessExit } from '../../../src/plugins/process/child.ts'
import type { PluginProcess } from '../../../src/plugins/process/start.ts'
import { createSupervisor, type SupervisorOptions } from '../../../src/plugins/process/supervisor.ts'
import { admission, createManualClock, query, recordingLogger, settle, within } from '../_setup.ts'

const response: QueryDataResponse = { responses: new Map() }

interface FakeProcess extends PluginProcess {
  readonly calls: ReadonlyArray<CallOptions>
  readonly stops: number
  crash(exit?: Partial<ProcessExit>): Promise<void>
  /** Answers the calls that wait. */
  answer(): void
}

const createFakeProcess = (pid: number, answersAtOnce: boolean): FakeProcess => {
  const calls: Array<CallOptions> = []
  const waiting = new Set<() => void>()
  let end = (_exit: ProcessExit): void => undefined
  let stops = 0
  const ended = new Promise<ProcessExit>((resolve) => (end = resolve))
  const crash = async (exit: Partial<ProcessExit> = {}) => {
    end({ code: 2, signal: null, stderr: ['panic: boom'], ...exit })
    await settle()
  }
  const notImplemented = () => TE.left({ _tag: 'NotImplemented' as const, message: 'no' })
  const client: PluginClient = {
    queryData: (_request, options) => async () => {
      calls.push(options)
      if (!answersAtOnce) await new Promise<void>((resolve) => waiting.add(resolve))
      return E.right(response)
    },
    validateAdmission: notImplemented,
    mutateAdmission: notImplemented,
  }
  return {
    pid,
    client,
    ended,
    calls,
    get stops() {
      return stops
    },
    crash,
    answer: () => {
      for (const resolve of waiting) resolve()
    },
    stop: async () => {
      stops += 1
      await crash({ code: 0 })
    },
  }
}

/** A supervisor whose processes and whose time are the test's. */
const setUp = (t: ExecutionContext, options: Partial<SupervisorOptions> = {}, answersAtOnce = true) => {
  const { clock, advance, timers } = createManualClock()
  const logger = recordingLogger()
  const starts: Array<{
    readonly signal: AbortSignal
    readonly succeed: () => Promise<FakeProcess>
    readonly fail: (message: string) => Promise<void>
  }> = []
  const supervisor = createSupervisor({
    pluginId: 'testds',
    start: (signal) =>
      new Promise((resolve, reject) => {
        const process = createFakeProcess(starts.length + 1, answersAtOnce)
        signal.addEventListener('abort', () => {
          reject(new Error('stopped while it started'))
        })
        starts.push({
          signal,
          succeed: async () => {
            resolve(process)
            await settle()
            return process
          },
          fail: async (message) => {
            reject(new Error(message))
            await settle()
          },
        })
      }),
    startWaitMs: 5_000,
    drainMs: 3_000,
    backoff: { initialMs: 1_000, maxMs: 60_000, resetAfterMs: 300_000 },
    logger,
    clock,
    random: () => 0,
    ...options,
  })
  const ask = (callOptions = within(60_000)) => supervisor.client.queryData(query(), callOptions)()
  const startAt = (index: number) => {
    const start = starts[index]
    if (start === undefined) throw new Error(`there was no start ${String(index)}`)
    return start
  }
  /** The delay before the next start, after which it is made to fail. */
  const failedAgainAfterMs = async (): Promise<number> => {
    const before = clock.now()
    const { retryAtMs = before } = supervisor.state()
    await advance(retryAtMs - before)
    await startAt(starts.length - 1).fail('no')
    return retryAtMs - before
  }
  t.teardown(() => supervisor.close())
  return { supervisor, logger, clock, advance, timers, starts, startAt, ask, failedAgainAfterMs }
}

test('starts nothing before the first call', async (t) => {
  const { supervisor, starts, startAt, ask } = setUp(t)
  await settle()
  t.is(starts.length, 0)
  t.deepEqual(supervisor.state(), { state: 'idle', startCount: 0 })
  const answer = ask()
  await settle()
  await startAt(0).succeed()
  t.deepEqual(await answer, E.right(response))
  t.deepEqual(supervisor.state(), { state: 'ready', startCount: 1, pid: 1 })
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
  const process = await startAt(0).succeed()
  await answer
  t.is(process.calls[0]?.timeoutMs, 8_000)
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
  t.like(await answer, { left: { _tag: 'PluginTimeout' } })
})

test('ends a waiting call at once when its client leaves', async (t) => {
  const { ask, timers } = setUp(t)
  const controller = new AbortController()
  const answer = ask(within(60_000, controller.signal))
  controller.abort()
  t.like(await answer, { left: { _tag: 'Cancelled' } })
  t.is(timers.size, 0)
})

test('fails the waiting calls at once when the start fails, and tries again', async (t) => {
  const { supervisor, advance, starts, startAt, ask } = setUp(t)
  const answer = ask()
  await settle()
  await startAt(0).fail('exited before it served')
  t.like(await answer, { left: { _tag: 'PluginUnavailable', retryAfterSeconds: 1 } })
  t.like(supervisor.state(), { state: 'backing-off', lastError: 'exited before it served' })
  await advance(1_000)
  t.is(starts.length, 2)
  await startAt(1).succeed()
  t.deepEqual(await ask(), E.right(response))
})

test('refuses calls while it is down, with the whole seconds until the next start', async (t) => {
  const { advance, startAt, ask } = setUp(t, { backoff: { initialMs: 7_500, maxMs: 60_000, resetAfterMs: 1 } })
  void ask()
  await settle()
  await startAt(0).fail('no')
  t.like(await ask(), { left: { _tag: 'PluginUnavailable', retryAfterSeconds: 8 } })
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
  const { supervisor, startAt, failedAgainAfterMs } = setUp(t, { random: () => 0.5 })
  void supervisor.start()
  await settle()
  await startAt(0).fail('no')
  t.is(await failedAgainAfterMs(), 900)
})

test('forgets its failures after a process that served long enough', async (t) => {
  const { supervisor, clock, advance, startAt, failedAgainAfterMs } = setUp(t)
  void supervisor.start()
  await settle()
  await startAt(0).fail('no')
  await failedAgainAfterMs()
  await advance(2_000)
  const short = await startAt(2).succeed()
  await advance(299_999)
  await short.crash()
  t.is((supervisor.state().retryAtMs ?? 0) - clock.now(), 4_000)
  await advance(4_000)
  const long = await startAt(3).succeed()
  await advance(300_000)
  await long.crash()
  t.is((supervisor.state().retryAtMs ?? 0) - clock.now(), 1_000)
})

test('starts a new process after a crash', async (t) => {
  const { supervisor, advance, startAt, ask } = setUp(t)
  void supervisor.start()
  await settle()
  const first = await startAt(0).succeed()
  await first.crash({ code: null, signal: 'SIGKILL' })
  t.like(supervisor.state(), { state: 'backing-off', lastError: 'exited with signal SIGKILL' })
  await advance(1_000)
  const second = await startAt(1).succeed()
  await ask()
  t.is(first.calls.length, 0)
  t.is(second.calls.length, 1)
  t.like(supervisor.state(), { state: 'ready', pid: 2, startCount: 2 })
})

test('writes one line for each change of state', async (t) => {
  const { supervisor, logger, advance, startAt } = setUp(t)
  void supervisor.start()
  await settle()
  const process = await startAt(0).succeed()
  await process.crash()
  await advance(1_000)
  await startAt(1).fail('did not start')
  await supervisor.close()
  t.deepEqual(
    logger.lines.map(({ level, fields }) => [level, fields['from'], fields['to']]),
    [
      ['info', 'idle', 'starting'],
      ['info', 'starting', 'ready'],
      ['error', 'ready', 'backing-off'],
      ['info', 'backing-off', 'starting'],
      ['error', 'starting', 'backing-off'],
      ['info', 'backing-off', 'stopping'],
      ['info', 'stopping', 'stopped'],
    ],
  )
  t.like(logger.lines[2], { fields: { plugin: 'testds', pid: 1, code: 2, signal: null, stderr: ['panic: boom'] } })
  t.like(logger.lines[4], { fields: { error: 'did not start', delayMs: 2_000 } })
})

test('makes every call of the port', async (t) => {
  const { supervisor, startAt } = setUp(t)
  void supervisor.start()
  await settle()
  await startAt(0).succeed()
  t.like(await supervisor.client.validateAdmission(admission, within(100))(), { left: { _tag: 'NotImplemented' } })
  t.like(await supervisor.client.mutateAdmission(admission, within(100))(), { left: { _tag: 'NotImplemented' } })
})

test('lets running calls end before it stops the process, and takes no new ones', async (t) => {
  const { supervisor, startAt, ask, timers } = setUp(t, {}, false)
  const answer = ask()
  await settle()
  const process = await startAt(0).succeed()
  const closed = supervisor.close()
  await settle()
  t.is(process.stops, 0)
  t.like(await ask(), { left: { _tag: 'PluginUnavailable' } })
  process.answer()
  t.deepEqual(await answer, E.right(response))
  await closed
  t.is(process.stops, 1)
  t.is(timers.size, 0)
  t.is(supervisor.state().state, 'stopped')
})

test('waits for running calls no longer than drainMs', async (t) => {
  const { supervisor, advance, startAt, ask } = setUp(t, {}, false)
  void ask()
  await settle()
  const process = await startAt(0).succeed()
  const closed = supervisor.close()
  await advance(2_999)
  t.is(process.stops, 0)
  await advance(1)
  await closed
  t.is(process.stops, 1)
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

test('forgets the next start when it is closed, and may be closed twice', async (t) => {
  const { supervisor, startAt, timers } = setUp(t)
  void supervisor.start()
  await settle()
  await startAt(0).fail('no')
  await Promise.all([supervisor.close(), supervisor.close()])
  t.is(timers.size, 0)
})

test('closes what never started', async (t) => {
  const { supervisor, starts } = setUp(t)
  await supervisor.close()
  t.like(supervisor.state(), { state: 'stopped', startCount: 0 })
  t.is(starts.length, 0)
})
