import type { ConditionStatus } from '../api/object.ts'

/**
 * The reasons of `Accepted`. True: `Accepted`. False: `InvalidSpec` (a rule is broken; the last valid state may serve on), `Conflict`
 * (another object was first to claim some of its paths, or all).
 */
export type AcceptedReason = 'Accepted' | 'InvalidSpec' | 'Conflict'

/**
 * The reasons of `Available`. True: `Passed`, `Idle` (its process starts with the first request, which counts as available in
 * Knative, too), `NotChecked` (an HTTP backend, which nobody asks for its health). Unknown: `CheckPending` (its first start is
 * under way), `PluginAccessError` (the host of plugins does not say). False: `PluginNotInstalled`, `PluginNotRunning`,
 * `FailedHealthCheck`, `NotAccepted` (all claims are lost), `InvalidSpec` (and no valid state is left to serve).
 * Source: the words of kube-aggregator for an APIService.
 */
export type AvailableReason =
  | 'Passed'
  | 'Idle'
  | 'NotChecked'
  | 'CheckPending'
  | 'PluginAccessError'
  | 'PluginNotInstalled'
  | 'PluginNotRunning'
  | 'FailedHealthCheck'
  | 'NotAccepted'
  | 'InvalidSpec'

/**
 * What a condition says. Its message tells no time, number of tries, path of the host or output of a plugin: the same state has the
 * same words, on every replica, and clients may read them.
 */
export interface Finding<Reason extends string = AcceptedReason | AvailableReason> {
  readonly status: ConditionStatus
  readonly reason: Reason
  readonly message: string
}

export const isSameFinding = (a: Finding | undefined, b: Finding | undefined): boolean =>
  a === b || (a?.status === b?.status && a?.reason === b?.reason && a?.message === b?.message)

/** Longer than this nobody reads in a column. */
const maxMessage = 1024

export const cutMessage = (message: string): string =>
  message.length > maxMessage ? `${message.slice(0, maxMessage - 3)}...` : message
