import type { AggregatorError } from '../../errors.ts'
import { E } from '../../fp.ts'
import type { Logger } from '../../logger.ts'
import type { PluginClient } from '../../plugin.ts'
import { createCalls, type Acquire } from './calls.ts'
import type { Clock } from './clock.ts'
import { StartFailure, type PluginProcess } from './start.ts'

export interface Backoff {
  readonly initialMs: number
  readonly maxMs: number
  /** A process that served this long starts the count of failures anew. */
  readonly resetAfterMs: number
}

export interface SupervisorOptions {
  readonly pluginId: string
  readonly start: (signal: AbortSignal) => Promise<PluginProcess>
  readonly startWaitMs: number
  readonly drainMs: number
  readonly backoff: Backoff
  readonly logger: Logger
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
}

type State =
  | { readonly name: 'idle' }
  | { readonly name: 'starting'; readonly abort: AbortController; readonly settled: Promise<void> }
  | { readonly name: 'ready'; readonly process: PluginProcess }
  | { readonly name: 'backing-off'; readonly retryAtMs: number; readonly cancel: () => void }
  | { readonly name: 'stopping' }
  | { readonly name: 'stopped' }

/** What a plugin's process is doing, for diagnostics of the operator: `lastError` may hold paths of the host. */
export interface SupervisorState {
  readonly state: State['name']
  readonly pid?: number | undefined
  readonly startCount: number
  readonly lastError?: string
  /** ms since the epoch. */
  readonly retryAtMs?: number
}

/** Keeps one plugin running: at most one process at a time, started at the first call or by `start`, restarted when it is gone. */
export interface Supervisor {
  readonly client: PluginClient
  /** Starts it unless it was started; resolves when it serves or failed to. */
  start(): Promise<void>
  state(): SupervisorState
  close(): Promise<void>
}

const jitter = 0.2
// 2 ** 30 s is above every maxMs, and the power stays finite
const maxExponent = 30

export const createSupervisor = (options: SupervisorOptions): Supervisor => {
  const { pluginId, startWaitMs, drainMs, backoff, logger, clock, random } = options
  const waiters = new Set<() => void>()
  let state: State = { name: 'idle' }
  let startCount = 0
  let failureCount = 0
  let lastError: string | undefined
  let closing: Promise<void> | undefined

  const unavailable = (what: string, retryAfterMs: number): E.Either<AggregatorError, never> =>
    E.left({
      _tag: 'PluginUnavailable',
      message: `plugin "${pluginId}" ${what}`,
      retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1000)),
    })

  const enter = (next: State, level: 'info' | 'error' = 'info', fields: object = {}): void => {
    logger[level](`plugin is ${next.name}`, {
      plugin: pluginId,
      from: state.name,
      to: next.name,
      startCount,
      ...fields,
    })
    state = next
    for (const wake of [...waiters]) wake()
  }

  const backOff = (error: string, fields: object): void => {
    const exponential = backoff.initialMs * 2 ** Math.min(failureCount, maxExponent)
    const delayMs = Math.round(Math.min(exponential, backoff.maxMs) * (1 - jitter * random()))
    failureCount += 1
    lastError = error
    const cancel = clock.setTimeout(begin, delayMs)
    enter({ name: 'backing-off', retryAtMs: clock.now() + delayMs, cancel }, 'error', { ...fields, error, delayMs })
  }

  const watch = async (process: PluginProcess): Promise<void> => {
    const sinceMs = clock.now()
    enter({ name: 'ready', process }, 'info', { pid: process.pid })
    const exit = await process.ended
    if (state.name !== 'ready') return
    if (clock.now() - sinceMs >= backoff.resetAfterMs) failureCount = 0
    const how = exit.signal === null ? `code ${String(exit.code)}` : `signal ${exit.signal}`
    backOff(`exited with ${how}`, { ...exit, pid: process.pid })
  }

  const run = async (abort: AbortController): Promise<void> => {
    try {
      const process = await options.start(abort.signal)
      if (state.name === 'starting') void watch(process)
      else await process.stop()
    } catch (error) {
      if (state.name !== 'starting') return
      backOff(error instanceof Error ? error.message : String(error), error instanceof StartFailure ? error.exit : {})
    }
  }

  const begin = (): void => {
    const abort = new AbortController()
    startCount += 1
    // the start must not settle before its state is entered
    const settled = Promise.resolve().then(() => run(abort))
    enter({ name: 'starting', abort, settled })
  }

  /** Whom to call now; undefined while it is not known yet. */
  const current = (): E.Either<AggregatorError, PluginClient> | undefined => {
    switch (state.name) {
      case 'ready':
        return E.right(state.process.client)
      case 'backing-off':
        return unavailable('is not running, it will be started again', state.retryAtMs - clock.now())
      case 'stopping':
      case 'stopped':
        return unavailable('is being stopped', 1000)
      case 'idle':
      case 'starting':
        return undefined
    }
  }

  /** While it starts, callers wait: not longer than `startWaitMs`, nor than they have time themselves. */
  const acquire: Acquire = ({ signal, timeoutMs }) => {
    if (state.name === 'idle') begin()
    const known = current()
    if (known !== undefined) return Promise.resolve(known)
    const beganAtMs = clock.now()
    return new Promise((resolve) => {
      const end = (result: E.Either<AggregatorError, PluginClient>): void => {
        waiters.delete(wake)
        cancelTimer()
        signal.removeEventListener('abort', abort)
        resolve(result)
      }
      const wake = (): void => {
        const result = current()
        if (result !== undefined) end(result)
      }
      const late = (): E.Either<AggregatorError, never> =>
        E.left({ _tag: 'PluginTimeout', message: `plugin "${pluginId}" did not start in time` })
      // a deadline aborts the signal too
      const abort = (): void => {
        end(clock.now() - beganAtMs >= timeoutMs - 1 ? late() : E.left({ _tag: 'Cancelled' }))
      }
      const expire = (): void => {
        end(timeoutMs <= startWaitMs ? late() : unavailable('is still starting', 1000))
      }
      const cancelTimer = clock.setTimeout(expire, Math.min(startWaitMs, timeoutMs))
      waiters.add(wake)
      signal.addEventListener('abort', abort)
      if (signal.aborted) abort()
    })
  }

  const calls = createCalls(acquire, drainMs, clock)

  const stop = async (): Promise<void> => {
    const before = state
    enter({ name: 'stopping' })
    if (before.name === 'backing-off') before.cancel()
    if (before.name === 'starting') {
      before.abort.abort()
      await before.settled
    }
    if (before.name === 'ready') {
      await calls.drain()
      await before.process.stop()
    }
    enter({ name: 'stopped' })
  }

  return {
    client: calls.client,
    start: async () => {
      if (state.name === 'idle') begin()
      if (state.name === 'starting') await state.settled
    },
    state: () => ({
      state: state.name,
      startCount,
      ...(state.name === 'ready' ? { pid: state.process.pid } : {}),
      ...(state.name === 'backing-off' ? { retryAtMs: state.retryAtMs } : {}),
      ...(lastError === undefined ? {} : { lastError }),
    }),
    close: () => (closing ??= stop()),
  }
}
