import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'

import type { DataPlaneService } from '../api/dataplane-service.ts'
import type { StatusCause } from '../api/status.ts'
import { E, pipe } from '../fp.ts'
import type { DataPlaneServiceSource, RejectedObject, Snapshot, SourceObserver, Unsubscribe } from '../source.ts'
import { acceptObject, acceptObjects, nameOf, type FoundObject, type ServedObject } from './accept.ts'

export interface MemorySourceOptions {
  /** The clock behind `creationTimestamp`, ms since the epoch. */
  readonly now?: () => number
}

export interface MemorySource extends DataPlaneServiceSource {
  /** Creates, or replaces by `metadata.name`. Right: the object as stored; left: why it was not. */
  apply(object: unknown): E.Either<ReadonlyArray<StatusCause>, DataPlaneService>
  /** `false`: there is none of this name. */
  delete(name: string): boolean
  /** Makes these the only ones. Bad ones are in the next snapshot's `rejected`, while the last good one of the name serves. */
  replace(objects: Iterable<unknown>): void
}

/** What the source, not the object's author, decides. */
interface Managed {
  readonly uid: string
  readonly creationTimestamp: string
  readonly generation: number
  readonly resourceVersion: string
}

interface Stored extends ServedObject {
  readonly managed: Managed
}

/** A copy as JSON would give it: what its maker does to the object later does not reach us. */
const copyOf = (object: unknown): E.Either<ReadonlyArray<StatusCause>, unknown> =>
  E.tryCatch(
    (): unknown => JSON.parse(JSON.stringify(object)),
    () => [{ reason: 'FieldValueTypeInvalid', field: '', message: 'expected an object that can be written as JSON' }],
  )

const toFound = (object: unknown, index: number): FoundObject => ({
  origin: nameOf(object) ?? `#${String(index + 1)}`,
  value: E.getOrElse((): unknown => undefined)(copyOf(object)),
})

/** RFC 3339 in whole seconds. Source: metav1.Time. */
const formatTime = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')

const withMetadata = (service: DataPlaneService, managed: Managed): DataPlaneService => ({
  ...service,
  metadata: { ...service.metadata, ...managed },
})

/**
 * DataPlaneService objects held in memory. Metadata as the Kubernetes API server keeps it: `uid` and `creationTimestamp` are
 * set at creation unless given, and stay; `generation` grows with each change of `spec`, `resourceVersion` with each change
 * at all, both whatever the object says. What changes nothing is not stored. Changes made in one go are one snapshot.
 */
export const memorySource = (
  initial: Iterable<unknown> = [],
  { now = Date.now }: MemorySourceOptions = {},
): MemorySource => {
  const notifiers = new Set<() => void>()
  let stored = new Map<string, Stored>()
  let rejected: ReadonlyArray<RejectedObject> = []
  let snapshot: Snapshot | undefined
  let revision = 0

  const currentSnapshot = (): Snapshot =>
    (snapshot ??= { services: [...stored.values()].map(({ service }) => service), rejected })

  const changed = (): void => {
    snapshot = undefined
    for (const notify of notifiers) notify()
  }

  const create = (service: DataPlaneService): Managed => ({
    uid: service.metadata.uid ?? randomUUID(),
    creationTimestamp: service.metadata.creationTimestamp ?? formatTime(now()),
    generation: 1,
    resourceVersion: String(++revision),
  })

  const update = (old: Stored, service: DataPlaneService): Managed => ({
    ...old.managed,
    generation: old.managed.generation + (isDeepStrictEqual(old.service.spec, service.spec) ? 0 : 1),
    resourceVersion: String(++revision),
  })

  const toStored = ({ origin, service }: ServedObject): Stored => {
    const old = stored.get(service.metadata.name)
    if (old !== undefined && isDeepStrictEqual(old.service, withMetadata(service, old.managed))) return old
    const managed = old === undefined ? create(service) : update(old, service)
    return { origin, service: withMetadata(service, managed), managed }
  }

  const forget = (name: string): boolean => {
    const others = rejected.filter((object) => object.name !== name)
    const isForgotten = others.length < rejected.length
    rejected = others
    return isForgotten
  }

  const put = (service: DataPlaneService): DataPlaneService => {
    const { name } = service.metadata
    const old = stored.get(name)
    const next = toStored({ origin: name, service })
    stored.set(name, next)
    if (forget(name) || next !== old) changed()
    return next.service
  }

  const replace = (objects: Iterable<unknown>): void => {
    const accepted = acceptObjects([...objects].map(toFound), stored)
    const next = new Map([...accepted.served].map(([name, object]) => [name, toStored(object)]))
    const isSame = next.size === stored.size && [...next].every(([name, object]) => stored.get(name) === object)
    if (isSame && isDeepStrictEqual(accepted.rejected, rejected)) return
    stored = next
    rejected = accepted.rejected
    changed()
  }

  const subscribe = (observer: SourceObserver): Unsubscribe => {
    let seen: Snapshot | undefined
    let isDue = false
    const deliver = (): void => {
      isDue = false
      if (!notifiers.has(notify) || seen === currentSnapshot()) return
      seen = currentSnapshot()
      observer.next(seen)
    }
    const notify = (): void => {
      if (!isDue) queueMicrotask(deliver)
      isDue = true
    }
    notifiers.add(notify)
    notify()
    return () => {
      notifiers.delete(notify)
      return Promise.resolve()
    }
  }

  replace(initial)
  return {
    subscribe,
    replace,
    apply: (object) => pipe(copyOf(object), E.flatMap(acceptObject), E.map(put)),
    delete: (name) => {
      const isDeleted = stored.delete(name)
      if (forget(name) || isDeleted) changed()
      return isDeleted
    },
  }
}
