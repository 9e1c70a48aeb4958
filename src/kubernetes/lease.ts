import { isDeepStrictEqual } from 'node:util'

import type { Lease } from '../api/lease.ts'
import type { Clock } from '../clock.ts'
import { E } from '../fp.ts'
import type { Election, ElectionOptions, KubernetesConnection, KubernetesFailure } from '../kubernetes.ts'
import { safeLogger, type Logger } from '../logger.ts'
import { sleep } from './backoff.ts'
import { createLeaseCalls } from './lease-calls.ts'
import { givenBack, heldBy, isFree, renewDeadlineMs, retryMs } from './lease-record.ts'

export interface ElectionsOptions {
  readonly call: KubernetesConnection['call']
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly logger: Logger
}

/** What an operator has to mend is not asked for all the time, ms. */
const brokenRetryMs = 30_000
const releaseTimeoutMs = 5000
const releaseTries = 3

/** What came of one attempt; `Mine`: this replica holds it, and has asked for that at `askedMs`. */
type Attempt =
  | { readonly _tag: 'Mine'; readonly lease: Lease; readonly askedMs: number }
  | { readonly _tag: 'Others' }
  | { readonly _tag: 'Failed'; readonly failure: KubernetesFailure }

const isRefused = (failure: KubernetesFailure, ...codes: ReadonlyArray<number>): boolean =>
  failure._tag === 'Refused' && codes.includes(failure.code)

/** No such API or namespace, not allowed, no Lease at all: time alone mends none of these. */
const isBroken = (failure: KubernetesFailure): boolean =>
  failure._tag === 'Garbled' || isRefused(failure, 400, 401, 403, 404, 405, 415, 422)

const reasonOf = (failure: KubernetesFailure): string =>
  failure._tag === 'Refused' ? `${String(failure.code)} ${failure.reason}` : failure._tag

const elect = ({ call, clock, random, logger }: ElectionsOptions, options: ElectionOptions): Election => {
  const { namespace, name, identity, onChange } = options
  const calls = createLeaseCalls(call, { namespace, name })
  const abort = new AbortController()
  const { signal } = abort
  /** As last seen, and for how long its record has not changed: the waits since then, as no clock that is set can falsify these. */
  let seen: { readonly lease: Lease; readonly unchangedMs: number } | undefined
  /** When the last renewal that succeeded was asked for. */
  let renewedMs: number | undefined
  /** The record may name this replica: it does, or what became of a write is not known. */
  let mayHold = false
  let isTold = false
  const reported = new Set<string>()
  let cancelExpiry = (): void => undefined

  /** By the clock, and not by what a timer has noted: a process that was stopped has not heard its timers. */
  const isLeader = (): boolean => {
    if (renewedMs === undefined || signal.aborted) return false
    const passedMs = clock.now() - renewedMs
    return passedMs >= 0 && passedMs < renewDeadlineMs
  }

  const tell = (): void => {
    const isNow = isLeader()
    if (!isNow) renewedMs = undefined
    if (isNow === isTold) return
    isTold = isNow
    logger.info(isNow ? 'this replica leads' : 'this replica leads no more', { namespace, name, identity })
    try {
      onChange(isNow)
    } catch (cause) {
      logger.error('expected to tell who leads, got an error', { cause })
    }
  }

  /** What the clock says does not count here: it may have been set back. */
  const expire = (): void => {
    renewedMs = undefined
    tell()
  }

  const note = (lease: Lease): void => {
    const isSame = seen !== undefined && isDeepStrictEqual(seen.lease.record, lease.record)
    seen = { lease, unchangedMs: isSame ? (seen?.unchangedMs ?? 0) : 0 }
    mayHold = lease.spec.holderIdentity === identity
  }

  const write = async (): Promise<Attempt> => {
    const askedMs = clock.now()
    mayHold = true
    const written = await calls.put(heldBy(identity, seen?.lease.spec, askedMs), seen?.lease, signal)
    if (E.isLeft(written)) return { _tag: 'Failed', failure: written.left }
    note(written.right)
    return mayHold ? { _tag: 'Mine', lease: written.right, askedMs } : { _tag: 'Others' }
  }

  const attempt = async (): Promise<Attempt> => {
    // whoever leads need not ask who does
    if (isLeader()) {
      const renewed = await write()
      if (renewed._tag !== 'Failed' || !isRefused(renewed.failure, 404, 409)) return renewed
    }
    const found = await calls.get(signal)
    if (E.isRight(found)) note(found.right)
    else if (isRefused(found.left, 404)) seen = undefined
    else return { _tag: 'Failed', failure: found.left }
    if (seen !== undefined && !isFree(seen.lease, identity, seen.unchangedMs)) return { _tag: 'Others' }
    const taken = await write()
    return taken._tag === 'Failed' && isRefused(taken.failure, 409) ? { _tag: 'Others' } : taken
  }

  const report = (failure: KubernetesFailure): void => {
    if (reported.has(reasonOf(failure))) return
    reported.add(reasonOf(failure))
    const why = failure._tag === 'Cancelled' ? failure._tag : failure.message
    logger.warn(`the lease that tells who leads cannot be had: ${why}`, { namespace, name, failure })
  }

  /** Gives back how long to wait, ms. */
  const settle = (made: Attempt): number => {
    if (made._tag === 'Failed') {
      report(made.failure)
      tell()
      if (isLeader()) return retryMs
      return (isBroken(made.failure) ? brokenRetryMs : retryMs) * (1 + 1.2 * random())
    }
    reported.clear()
    renewedMs = made._tag === 'Mine' ? made.askedMs : undefined
    cancelExpiry()
    if (made._tag === 'Mine') {
      cancelExpiry = clock.setTimeout(expire, Math.max(0, made.askedMs + renewDeadlineMs - clock.now()))
    }
    tell()
    return made._tag === 'Mine' ? retryMs : retryMs * (1 + 1.2 * random())
  }

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      const made = await attempt()
      if (made._tag === 'Failed' && made.failure._tag === 'Cancelled') return
      const delayMs = settle(made)
      await sleep(clock, delayMs, signal)
      if (seen !== undefined) seen = { ...seen, unchangedMs: seen.unchangedMs + delayMs }
    }
  }

  /** Asks first: what became of the last write is not known, maybe, or it is still on its way. */
  const release = async (): Promise<void> => {
    const limit = new AbortController()
    const cancel = clock.setTimeout(() => {
      limit.abort()
    }, releaseTimeoutMs)
    for (let tries = 0; tries < releaseTries; tries++) {
      const found = await calls.get(limit.signal)
      if (E.isLeft(found) || found.right.spec.holderIdentity !== identity) break
      const given = await calls.put(givenBack(found.right.spec, clock.now()), found.right, limit.signal)
      if (E.isRight(given) || !isRefused(given.left, 409)) break
    }
    cancel()
  }

  // a turn later: nobody is told of anything before this has returned
  const ended = Promise.resolve()
    .then(run)
    .catch((cause: unknown) => {
      logger.error('an election has ended by a fault of its own', { cause })
    })
    .finally(() => {
      cancelExpiry()
      expire()
    })
  const close = async (): Promise<void> => {
    abort.abort()
    tell()
    await ended
    if (mayHold) await release()
  }
  let closed: Promise<void> | undefined
  return { isLeader, close: () => (closed ??= close()) }
}

/**
 * Gives `elect` of a connection. A holder counts as gone when its record has not changed for the time that it asked for, as waited for
 * here; a leader leads from the moment when it asked for its last renewal, for less than that. No clock is compared with another's.
 * Whoever closes the connection closes its elections first, so that the Lease can be given back. Source: leaderelection of client-go.
 */
export const createElections = (options: ElectionsOptions): KubernetesConnection['elect'] => {
  const logger = safeLogger(options.logger)
  return (election) => elect({ ...options, logger }, election)
}
