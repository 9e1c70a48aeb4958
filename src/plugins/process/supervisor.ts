import type { AggregatorError } from '../../errors.ts'
import { E } from '../../fp.ts'
import type { PluginClient } from '../../plugin.ts'
import type { PluginChange, PluginExit, PluginStatus } from '../../plugin-status.ts'
import type { PluginSettings } from '../options.ts'
import { createFailures } from './backoff.ts'
import { createCalls } from './calls.ts'
import type { Clock } from '../../clock.ts'
import { createLifecycle, refusalOf } from './lifecycle.ts'
import type { Peer, StartPeer } from './peer.ts'
import { createPostMortem } from './post-mortem.ts'
import type { Secrets } from './secrets.ts'
import { createServing, type Serving } from './serving.ts'
import { createStamps } from './stamps.ts'
import type { Target } from './target.ts'

export interface SupervisorOptions {
  readonly plugin: { readonly id: string; readonly version: string }
  readonly start: StartPeer
  /** Identity of the program as it is now, undefined when it is gone; left out where nothing can be replaced. */
  readonly stamp?: () => string | undefined
  readonly settings: PluginSettings
  readonly secrets: Secrets
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly onChange: (change: PluginChange) => void
}

/**
 * Keeps one plugin running: started at the first call or by `start`, asked whether it serves, started again when it is gone,
 * replaced without a lost call when its program was.
 */
export interface Supervisor {
  readonly client: PluginClient
  /** Starts it unless it was started; resolves when it serves or failed to. */
  start(): Promise<void>
  status(): PluginStatus
  /** Lets running calls end, then ends what runs; resolves when nothing is left. */
  close(): Promise<void>
}

/** A start that is under way: one that calls wait for, or that of a successor while the old peer serves. */
interface Launch {
  readonly abort: AbortController
  readonly settled: Promise<void>
}

export const createSupervisor = (options: SupervisorOptions): Supervisor => {
  const { plugin, start, secrets, settings, clock } = options
  const { logger, backoff, probe } = settings
  const stamps = options.stamp && createStamps(options.stamp, plugin.id, logger)
  const failures = createFailures(settings, options.random)
  const postMortem = createPostMortem(secrets, clock.now)
  const retiring = new Set<Promise<void>>()
  let startCount = 0
  let launch: Launch | undefined
  let serving: Serving | undefined
  let retry: { readonly atMs: number; waitMs: number } | undefined
  let tickAtMs = 0
  let cancelTick = (): void => undefined
  let resolveClosed = (): void => undefined
  const closed = new Promise<void>((resolve) => (resolveClosed = resolve))

  /** Whom to call now; undefined while it is not known yet. */
  const find = (): E.Either<AggregatorError, Target> | undefined => {
    const { state } = lifecycle
    if (state === 'ready') return serving?.found
    if (state === 'idle') begin()
    const refusal = refusalOf[state]
    if (refusal === undefined) return undefined
    const nextTryMs = (state === 'unhealthy' ? tickAtMs : (retry?.atMs ?? 0)) - clock.now()
    return E.left({
      _tag: 'PluginUnavailable',
      message: `plugin "${plugin.id}" ${refusal}`,
      retryAfterSeconds: Math.max(1, Math.ceil(nextTryMs / 1000)),
    })
  }
  const calls = createCalls({ pluginId: plugin.id, find, settings, secrets, clock })

  const status = (): PluginStatus => ({
    id: plugin.id,
    version: plugin.version,
    state: lifecycle.state,
    sinceMs: lifecycle.sinceMs,
    ...(serving?.peer.pid === undefined ? {} : { pid: serving.peer.pid }),
    startCount,
    ...postMortem.last,
    ...(retry === undefined ? {} : { retryAtMs: retry.atMs }),
    inFlight: calls.inFlight,
    queued: calls.queued,
  })
  const lifecycle = createLifecycle({
    logger,
    now: clock.now,
    onEnter: calls.wake,
    status,
    onChange: options.onChange,
  })

  /** The one timer: until the next health check of what serves, or the next start of what does not; the program is looked at, too. */
  const arm = (): void => {
    const delayMs = retry === undefined || (stamps && retry.waitMs > probe.intervalMs) ? probe.intervalMs : retry.waitMs
    const armedAtMs = clock.now()
    cancelTick()
    tickAtMs = armedAtMs + delayMs
    cancelTick = clock.setTimeout(() => {
      // a clock that is set back is no reason to wait for longer
      tick(Math.max(delayMs, clock.now() - armedAtMs))
    }, delayMs)
  }

  const tick = (passedMs: number): void => {
    const isReplaced = stamps?.isReplaced(serving?.stamp) ?? false
    if (retry === undefined) {
      arm()
      if (isReplaced && launch === undefined) startPeer()
      serving?.health.check()
      return
    }
    retry.waitMs -= passedMs
    if (isReplaced) failures.reset()
    if (isReplaced || retry.waitMs <= 0) begin()
    else arm()
  }

  const startPeer = (): void => {
    const abort = new AbortController()
    const stamp = stamps?.take()
    let next: Serving | undefined
    startCount += 1
    // a turn later: the start must not settle before its state is entered
    const begun = Promise.resolve().then(() => start(abort.signal, () => next?.health.suspect()))
    const settled = begun.then((peer) => {
      next = accept(peer, stamp)
      return lifecycle.state === 'stopping' ? retire(next) : serve(next)
    }, fail)
    launch = { abort, settled }
  }

  const begin = (): void => {
    cancelTick()
    retry = undefined
    // a successor that starts already is the next start
    if (launch === undefined) startPeer()
    lifecycle.enter('starting')
  }

  const crash = (error: string, exit: PluginExit | undefined): void => {
    forgive()
    const { delayMs, isLoop } = failures.add()
    const waitMs = launch === undefined ? delayMs : 0
    serving = undefined
    retry = { atMs: clock.now() + waitMs, waitMs }
    arm()
    lifecycle.enter(isLoop ? 'crash-looping' : 'crashed', { error, ...exit, delayMs: waitMs })
    if (launch !== undefined && lifecycle.can('starting')) begin()
  }

  const accept = (peer: Peer, stamp: string | undefined): Serving => {
    const next = createServing(
      { peer, stamp, calls, settings, clock },
      {
        onHealthy: () => {
          lifecycle.enter('ready')
        },
        onUnhealthy: ({ message }) => {
          forgive()
          lifecycle.enter('unhealthy', { error: postMortem.fail(`health check: ${message}`) })
        },
        onEnd: (exit, why) => {
          const known = postMortem.end(exit, peer.pid)
          if (serving === next && lifecycle.can('crashed')) crash(postMortem.fail(why), known)
        },
      },
    )
    return next
  }

  /** A long time of service makes up for what was before. */
  const forgive = (): void => {
    if (lifecycle.state === 'ready' && clock.now() - lifecycle.sinceMs >= backoff.resetAfterMs) failures.reset()
  }

  const serve = (next: Serving): void => {
    launch = undefined
    const old = serving
    serving = next
    if (old !== undefined) {
      failures.reset()
      const gone = retire(old).finally(() => retiring.delete(gone))
      retiring.add(gone)
    }
    const fields = old === undefined ? {} : { oldPid: old.peer.pid }
    if (lifecycle.state === 'ready') {
      lifecycle.renew('plugin is replaced', fields)
      return
    }
    arm()
    lifecycle.enter('ready', fields)
  }

  const fail = (cause: unknown): undefined => {
    launch = undefined
    const { message, exit } = postMortem.failStart(cause)
    if (lifecycle.state === 'starting') crash(message, exit)
    else if (lifecycle.state !== 'stopping')
      logger.error('plugin cannot be replaced, its old process serves on', {
        plugin: plugin.id,
        error: message,
        ...exit,
      })
  }

  const retire = async (old: Serving): Promise<void> => {
    try {
      await old.retire()
    } catch (cause) {
      logger.error('plugin cannot be stopped', { plugin: plugin.id, pid: old.peer.pid, cause })
    }
  }

  const stop = async (): Promise<void> => {
    const last = serving
    const begun = launch
    cancelTick()
    retry = undefined
    lifecycle.enter('stopping')
    begun?.abort.abort()
    await Promise.all([begun?.settled, last && retire(last), ...retiring])
    serving = undefined
    lifecycle.enter('stopped')
    resolveClosed()
  }

  return {
    client: calls.client,
    start: async () => {
      if (lifecycle.state === 'idle') begin()
      if (lifecycle.state === 'starting') await launch?.settled
    },
    status,
    close: () => {
      if (lifecycle.can('stopping')) void stop()
      return closed
    },
  }
}
