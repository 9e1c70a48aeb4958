import type { Clock } from '../clock.ts'
import type { ObjectStore } from '../object-store.ts'
import type { WatchTexts } from './watch-texts.ts'

/** What all that only reads needs. */
export interface ReadOptions {
  readonly objects: ObjectStore
  readonly clock: Clock
  /** From 0 to 1, to spread the ends of watches. */
  readonly random: () => number
  /** Shared by all watches. */
  readonly texts: WatchTexts
}
