import type { Clock } from '../clock.ts'
import type { Follower, KubernetesFailure, ObjectChange } from '../kubernetes.ts'
import type { Logger } from '../logger.ts'

/** A follower, as the promises to it want it told. */
export interface Contact {
  /** Something came from the apiserver. */
  readonly heard: () => void
  readonly lastHeardMs: () => number | undefined
  /** All that there is was taken in: the first time this is told of, with changes or without. */
  readonly synced: (changes: ReadonlyArray<ObjectChange>) => void
  readonly changed: (changes: ReadonlyArray<ObjectChange>) => void
  readonly failed: (failure: KubernetesFailure) => void
  readonly recovered: () => void
}

const reasonOf = (failure: KubernetesFailure): string => {
  if (failure._tag === 'Refused') return `Refused ${String(failure.code)} ${failure.reason}`
  return failure._tag === 'Cancelled' ? 'Cancelled' : `${failure._tag} ${failure.message}`
}

/** Tells nothing once the signal is aborted; a follower that throws is logged, and told of what comes next. */
export const createContact = (
  follower: Follower,
  { clock, logger, path, signal }: { clock: Clock; logger: Logger; path: string; signal: AbortSignal },
): Contact => {
  let heardMs: number | undefined
  let isTold = false
  let lostFor: string | undefined

  const tell = (say: () => void): void => {
    if (signal.aborted) return
    try {
      say()
    } catch (error) {
      logger.error('follower of a collection threw', { path, error })
    }
  }
  const changed = (changes: ReadonlyArray<ObjectChange>): void => {
    if (changes.length > 0) tell(() => follower.changed(changes))
  }

  return {
    heard: () => {
      heardMs = clock.now()
    },
    lastHeardMs: () => heardMs,
    synced: (changes) => {
      if (isTold) changed(changes)
      else tell(() => follower.changed(changes))
      isTold = true
    },
    changed,
    failed: (failure) => {
      const reason = reasonOf(failure)
      if (reason === lostFor) return
      lostFor = reason
      tell(() => follower.failed(failure))
    },
    recovered: () => {
      if (lostFor === undefined) return
      lostFor = undefined
      tell(() => follower.recovered())
    },
  }
}
