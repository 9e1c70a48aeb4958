import type { KubernetesFailure } from '../kubernetes.ts'

/** What it takes to go on after a failure. */
export interface Remedy {
  /** `false`: from the last resourceVersion, which still counts. */
  readonly isListed: boolean
  /** To wait before. */
  readonly failure?: KubernetesFailure
}

export const isExpired = (failure: KubernetesFailure): boolean => failure._tag === 'Refused' && failure.code === 410

const isBusy = (failure: KubernetesFailure): boolean =>
  failure._tag === 'Unreachable' || (failure._tag === 'Refused' && failure.code === 429)

/** Who asks, or what for, is at fault, or the time is: the question itself is none. */
const isOfTheAsker = (failure: KubernetesFailure): boolean =>
  failure._tag === 'Refused' && [401, 403, 404, 408, 429].includes(failure.code)

/** After a watch that was not opened. Source: handleWatchError and isWatchErrorRetriable of reflector.go of client-go. */
export const afterRefusedWatch = (failure: KubernetesFailure): Remedy => ({ isListed: !isBusy(failure), failure })

/** After an event that told of a failure. A server that fails within has lost nothing of what was. */
export const afterFailedWatch = (failure: KubernetesFailure): Remedy => {
  const isServers = failure._tag === 'Refused' && (failure.code === 500 || failure.reason === 'InternalError')
  return { isListed: !isBusy(failure) && !isServers, failure }
}

/**
 * After a watch that was to begin with all that there is, and did not. `never`: this apiserver will not do it for these objects.
 * `not now`: a list may do better the next time.
 */
export const watchListAfter = (failure: KubernetesFailure): 'again' | 'not now' | 'never' => {
  if (failure._tag === 'Unreachable' || isOfTheAsker(failure)) return 'again'
  const isRefused = failure._tag === 'Refused' && failure.code >= 400 && failure.code < 500
  return isRefused && !isExpired(failure) ? 'never' : 'not now'
}

/**
 * Whether a list at some resourceVersion failed because of it: expired, or of a history that is no more (a store that was restored:
 * 504, ResourceVersionTooLarge).
 */
export const isOfTheVersion = (failure: KubernetesFailure): boolean =>
  failure._tag === 'Refused' && !isOfTheAsker(failure) && (failure.code < 500 || failure.code === 504)
