import type { AggregatorError } from '../../errors.ts'
import { E } from '../../fp.ts'
import type { PluginClient } from '../../plugin.ts'
import type { Clock } from '../../clock.ts'
import type { Health } from './health.ts'

type Outcome = E.Either<AggregatorError, unknown>

/** A peer as its callers know it. */
export interface Target {
  readonly client: PluginClient
  /** Calls that are under way there, streams included. */
  running: number
  onIdle: () => void
  /** What a call says of the peer's health. */
  readonly hear: (outcome: Outcome) => void
  /** To be told how each unary call ended; here once for all of them, since it is on the way of every call. */
  readonly onAnswer: (outcome: Outcome) => void
  readonly onThrown: () => void
  /** Ends the count of each stream. */
  readonly streams: Set<() => void>
}

/** `leave` gives back the place of a unary call. */
export const createTarget = (
  client: PluginClient,
  health: Pick<Health, 'succeeded' | 'suspect'>,
  leave: (target: Target) => void,
): Target => {
  const hear = (outcome: Outcome): void => {
    if (E.isRight(outcome)) health.succeeded()
    else if (outcome.left._tag === 'PluginTimeout') health.suspect()
  }
  const target: Target = {
    client,
    running: 0,
    onIdle: () => undefined,
    hear,
    onAnswer: (outcome) => {
      leave(target)
      hear(outcome)
    },
    onThrown: () => {
      leave(target)
    },
    streams: new Set(),
  }
  return target
}

/** Resolves when none of its calls runs any more, or after `drainMs`. */
export const drain = (target: Target, drainMs: number, clock: Clock): Promise<void> =>
  new Promise((resolve) => {
    if (target.running === 0) {
      resolve()
      return
    }
    const cancel = clock.setTimeout(resolve, drainMs)
    target.onIdle = () => {
      cancel()
      resolve()
    }
  })

/** Ends the count of its streams, once it is gone: whoever reads them may be away for good. */
export const abandon = (target: Target): void => {
  for (const leave of [...target.streams]) leave()
}
