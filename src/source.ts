import type { DataPlaneService } from './api/dataplane-service.ts'
import type { DataPlaneServiceStatus } from './api/object.ts'
import type { StatusCause } from './api/status.ts'
import type { Result } from './errors.ts'
import type { ObjectStore } from './object-store.ts'

/**
 * An object that a source found and could not accept. Shape of `origin`: `prometheus.yml#2` (second document) for a file,
 * the object's name elsewhere.
 */
export interface RejectedObject {
  readonly origin: string
  readonly name: string | undefined
  readonly causes: ReadonlyArray<StatusCause>
}

/**
 * The whole present state: what is not in it does not exist. An unchanged object is the same (`===`) object again; a status is no
 * part of it.
 */
export interface Snapshot {
  readonly services: ReadonlyArray<DataPlaneService>
  readonly rejected: ReadonlyArray<RejectedObject>
  /** What stands between the source and its objects at present; left out: nothing that it knows of. */
  readonly errors?: ReadonlyArray<SourceError>
}

/** Something between the source and its objects: a lost directory, a file that is not YAML. The last good state serves on. */
export interface SourceError {
  readonly message: string
  /** File, URL or object at fault, as the source names it. */
  readonly origin: string
  readonly cause?: unknown
}

export interface SourceObserver {
  readonly next: (snapshot: Snapshot) => void
  readonly error: (error: SourceError) => void
}

/** How far behind the apiserver's state a snapshot may be. */
export interface Staleness {
  /** Since when nothing was heard of where the objects are kept, ms; `undefined`: nothing ever was. */
  readonly ageMs: number | undefined
  /** Whether that is longer than the source is asked to bear. */
  readonly isStale: boolean
}

export type Unsubscribe = () => Promise<void>

/**
 * Where DataPlaneService objects come from. Laws, held by one behaviour suite for all sources: after `subscribe` the first
 * snapshot comes without asking, and never inside the call itself; each further one is whole; a bad object or file is
 * rejected by name while the rest is served; after `unsubscribe` resolved nothing is called and nothing is left open;
 * several subscribers do not disturb each other.
 */
export interface DataPlaneServiceSource {
  subscribe(observer: SourceObserver): Unsubscribe
  /**
   * Writes what became of an object into its status: `change` is asked with the present one, and once more if somebody was faster; when
   * it gives back the same (`===`), or the object is gone, nothing is written. Where one of several replicas writes, the others keep
   * `change`, and it is asked when their turn comes. Left out: nowhere to write it. Fails with Forbidden, StoreFailed.
   */
  readonly updateStatus?: (
    name: string,
    change: (current: DataPlaneServiceStatus) => DataPlaneServiceStatus,
  ) => Result<void>
  /** Left out by sources that keep their objects themselves, or see them every time. */
  readonly staleness?: () => Staleness
}

/** A source whose objects are kept here, so that they can be served and written over REST. */
export interface WritableSource extends DataPlaneServiceSource {
  readonly objects: ObjectStore
}

export const isWritable = (source: DataPlaneServiceSource): source is WritableSource => 'objects' in source
