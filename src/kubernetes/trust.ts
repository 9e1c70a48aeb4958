import type { Clock } from '../clock.ts'
import { isOlder } from './known.ts'
import type { ReflectorTunables } from './tunables.ts'

/** For how long an apiserver may be believed that nothing has changed. */
export interface Trust {
  /** It said that it is not behind what is known; `isNewer`: that it is ahead. */
  readonly confirm: (isNewer: boolean) => void
  /** Whether the present, as it was asked for, is behind neither `position` nor what was the present before. */
  readonly isProvenBy: (present: string, position: string | undefined) => boolean
  /** All that there is was taken in; `isNews`: some of it was not known. */
  readonly synced: (isNews: boolean, isRoutine: boolean) => void
  /** Contact was lost, and with it maybe the history: everything is due as early as at first. */
  readonly shake: () => void
  readonly isUnconfirmed: () => boolean
  /** Only what asks for the present can tell; a bookmark may repeat what the watch was asked with and know nothing of the store. */
  readonly isUnproven: () => boolean
  /** Everything is to be asked for, only because nothing has confirmed it. */
  readonly isDue: () => boolean
}

/**
 * What nothing has confirmed is due after `confirmMs`, and later each time that everything was known: a quiet collection is no reason to
 * send all of it every few minutes to each replica.
 */
export const createTrust = (
  clock: Clock,
  { confirmMs, maxConfirmMs }: Pick<ReflectorTunables, 'confirmMs' | 'maxConfirmMs'>,
): Trust => {
  let confirmedAtMs = 0
  let provenAtMs = 0
  let dueMs = confirmMs
  let lastPresent: string | undefined

  const isLongSince = (atMs: number, limitMs: number): boolean => {
    const passedMs = clock.now() - atMs
    // also when the clock was set back
    return passedMs >= limitMs || passedMs < 0
  }
  const confirm = (isNewer: boolean): void => {
    confirmedAtMs = clock.now()
    if (isNewer) provenAtMs = confirmedAtMs
  }
  return {
    confirm,
    isProvenBy: (present, position) => {
      const isPast = isOlder(present, position) || isOlder(present, lastPresent)
      lastPresent = present
      provenAtMs = clock.now()
      return !isPast
    },
    synced: (isNews, isRoutine) => {
      confirm(true)
      lastPresent = undefined
      if (isNews) dueMs = confirmMs
      else if (isRoutine) dueMs = Math.min(dueMs * 2, maxConfirmMs)
    },
    shake: () => {
      dueMs = confirmMs
    },
    isUnconfirmed: () => isLongSince(confirmedAtMs, confirmMs),
    isUnproven: () => isLongSince(provenAtMs, confirmMs),
    isDue: () => isLongSince(confirmedAtMs, dueMs),
  }
}
