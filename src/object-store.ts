import type { StoredObject } from './api/object.ts'
import type { Result } from './errors.ts'

/** One change that was made. */
export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  /** After the change; of a deleted one: its last state, with the resourceVersion of its end. */
  readonly object: StoredObject
  /** Before it; left out of ADDED. */
  readonly previous?: StoredObject
  /** The resourceVersion of `object`, as a number. */
  readonly revision: number
}

/**
 * The objects of a source that can be written: one present state, and how it came about. Reads are at once and of one moment.
 * Revisions are positive integers that grow with each change, also from one process to the next, for clients compare them.
 */
export interface ObjectStore {
  /** Resolves when the first state is there; until then it looks empty. Never rejects. */
  readonly ready: Promise<void>
  /** Of the last change. */
  readonly revision: () => number
  readonly get: (name: string) => StoredObject | undefined
  /** By name, in the order of its code units. The same array until something changes. */
  readonly list: () => ReadonlyArray<StoredObject>
  /**
   * Compare and swap: puts `next` in the place of `expected`, if that is still the very object (`===`) of that name; without
   * `expected`, if there is none; without `next`, deletes. Sets `metadata.resourceVersion`, and nothing else. Gives the object as
   * stored, or as it was deleted. Fails with Conflict (somebody was faster), Forbidden (it may not be written), StoreFailed.
   */
  readonly commit: (
    name: string,
    expected: StoredObject | undefined,
    next: StoredObject | undefined,
  ) => Result<StoredObject>
  /** The changes after a revision, in order; `undefined` when not all of them are remembered. */
  readonly since: (revision: number) => ReadonlyArray<StoreEvent> | undefined
  /** Tells of each change as it is made, from now on, in order. Gives back what ends it. A listener should not throw. */
  readonly subscribe: (listener: (event: StoreEvent) => void) => () => void
}
