import type { Lease, LeaseSpec } from '../api/lease.ts'

/** Times of an election. Source: the defaults of leaderelection, as kube-controller-manager has them. */
export const leaseSeconds = 15
/** A leader that could not renew for so long stops, before another can begin, ms. */
export const renewDeadlineMs = 10_000
export const retryMs = 2000

/** A holder that asks for more is not believed, seconds. */
const maxSeconds = 3600
const maxTransitions = 2 ** 31 - 1

/** Source: metav1.MicroTime. */
const formatMicroTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z')

/**
 * Whether this replica may take it: nobody holds it, it does so itself, or the record was seen unchanged for as long as its holder asked
 * for. The times in the record are of the holder's clock and say nothing here. Pure.
 */
export const isFree = ({ spec }: Lease, identity: string, unchangedMs: number): boolean => {
  const { holderIdentity = '', leaseDurationSeconds = leaseSeconds } = spec
  if (holderIdentity === '' || holderIdentity === identity) return true
  return unchangedMs >= Math.min(leaseDurationSeconds, maxSeconds) * 1000
}

/** The record of a holder; `before`: of who had it last. Pure. */
export const heldBy = (identity: string, before: LeaseSpec | undefined, nowMs: number): LeaseSpec => {
  const now = formatMicroTime(nowMs)
  const isSame = before?.holderIdentity === identity
  const transitions = before?.leaseTransitions ?? 0
  return {
    holderIdentity: identity,
    leaseDurationSeconds: leaseSeconds,
    acquireTime: (isSame ? before.acquireTime : undefined) ?? now,
    renewTime: now,
    leaseTransitions: before === undefined || isSame ? transitions : Math.min(transitions + 1, maxTransitions),
  }
}

/** The record of a lease that its holder has given back. Pure. */
export const givenBack = ({ leaseTransitions = 0 }: LeaseSpec, nowMs: number): LeaseSpec => {
  const now = formatMicroTime(nowMs)
  return { holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now, leaseTransitions }
}
