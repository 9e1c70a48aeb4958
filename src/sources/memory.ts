import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'

import type { DataPlaneService } from '../api/dataplane-service.ts'
import type { ObjectMeta, StoredObject } from '../api/object.ts'
import type { StatusCause } from '../api/status.ts'
import { E } from '../fp.ts'
import type { ObjectStore } from '../object-store.ts'
import type { RejectedObject, Snapshot, WritableSource } from '../source.ts'
import { acceptObjects, examine, nameOf, type FoundObject } from './accept.ts'
import { createBroadcast } from './broadcast.ts'
import { createServing } from './serving.ts'
import { updateStatusOf } from './status.ts'
import { createStore } from './store.ts'

export interface MemorySourceOptions {
  /** The clock behind `creationTimestamp`, ms since the epoch. */
  readonly now?: () => number
}

export interface MemorySource extends WritableSource {
  /** Creates, or replaces by `metadata.name`. Right: the object as stored; left: why it was not. */
  apply(object: unknown): E.Either<ReadonlyArray<StatusCause>, DataPlaneService>
  /** Deletes at once, whatever finalizers there are. `false`: there is none of this name. */
  delete(name: string): boolean
  /** Makes these the only ones. Bad ones are in the next snapshot's `rejected`, while the last good one of the name serves. */
  replace(objects: Iterable<unknown>): void
}

const toFound = (value: unknown, index: number): FoundObject => ({
  origin: nameOf(value) ?? `#${String(index + 1)}`,
  value,
})

/** RFC 3339 in whole seconds. Source: metav1.Time. */
const formatTime = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')

/** What others than the author of an object write into it: an `apply` that says nothing of it leaves it alone. */
const keptMetadata = ({
  generateName,
  deletionTimestamp,
  deletionGracePeriodSeconds,
  finalizers,
  ownerReferences,
  managedFields,
}: ObjectMeta): Partial<ObjectMeta> =>
  Object.fromEntries(
    Object.entries({
      generateName,
      deletionTimestamp,
      deletionGracePeriodSeconds,
      finalizers,
      ownerReferences,
      managedFields,
    }).filter(([, field]) => field !== undefined),
  )

/**
 * DataPlaneService objects held in memory. Metadata as the Kubernetes API server keeps it: `uid` and `creationTimestamp` are
 * set at creation unless given, and stay; `generation` grows with each change of `spec`, `resourceVersion` with each change
 * at all, both whatever the object says. What changes nothing is not stored. Changes made in one go are one snapshot.
 */
export const memorySource = (
  initial: Iterable<unknown> = [],
  { now = Date.now }: MemorySourceOptions = {},
): MemorySource => {
  const store = createStore({ now })
  let rejected: ReadonlyArray<RejectedObject> = []
  let isReplacing = false
  let snapshot: Snapshot | undefined

  const broadcast = createBroadcast({
    snapshot: () => (snapshot ??= { services: serving.services(), rejected }),
    errors: () => [],
    origin: 'memory',
  })

  const changed = (): void => {
    snapshot = undefined
    broadcast.notify()
  }

  const judge = (name: string): boolean => {
    const others = rejected.filter((object) => object.name !== name)
    const causes = serving.faultOf(name)
    const isSame = causes === undefined && others.length === rejected.length
    rejected = causes === undefined ? others : [...others, { origin: name, name, causes }]
    return !isSame
  }

  const serving = createServing(store, (name, isChanged) => {
    if (!isReplacing && isChanged) {
      judge(name)
      changed()
    }
  })

  const created = (object: StoredObject): StoredObject => ({
    ...object,
    metadata: {
      ...object.metadata,
      uid: object.metadata.uid ?? randomUUID(),
      creationTimestamp: object.metadata.creationTimestamp ?? formatTime(now()),
      generation: 1,
    },
  })

  const updated = (old: StoredObject, object: StoredObject): StoredObject => {
    const { uid, creationTimestamp, generation = 1, resourceVersion } = old.metadata
    return {
      ...(old.status === undefined ? {} : { status: old.status }),
      ...object,
      metadata: {
        ...keptMetadata(old.metadata),
        ...object.metadata,
        ...(uid === undefined ? {} : { uid }),
        ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
        generation: generation + (isDeepStrictEqual(old.spec, object.spec) ? 0 : 1),
      },
    }
  }

  const put = (object: StoredObject): void => {
    const { name } = object.metadata
    const old = store.get(name)
    const next = old === undefined ? created(object) : updated(old, object)
    if (old === undefined || !isDeepStrictEqual(old, next)) store.swap(name, old, next)
  }

  const remove = (name: string): boolean => {
    const old = store.get(name)
    return old !== undefined && E.isRight(store.swap(name, old, undefined))
  }

  const replace = (objects: Iterable<unknown>): void => {
    const accepted = acceptObjects([...objects].map(toFound))
    const before = store.revision()
    isReplacing = true
    for (const { metadata } of [...store.list()]) {
      if (!accepted.served.has(metadata.name) && !accepted.wrong.has(metadata.name)) remove(metadata.name)
    }
    for (const { object } of [...accepted.served.values(), ...accepted.wrong.values()])
      if (object !== undefined) put(object)
    isReplacing = false
    if (store.revision() === before && isDeepStrictEqual(accepted.rejected, rejected)) return
    rejected = accepted.rejected
    changed()
  }

  const { swap, ...reads } = store
  const objects: ObjectStore = {
    ...reads,
    ready: Promise.resolve(),
    commit:
      (...change) =>
      () =>
        Promise.resolve(swap(...change)),
  }

  replace(initial)
  return {
    objects,
    updateStatus: updateStatusOf(objects),
    replace,
    subscribe: (observer) => {
      const leave = broadcast.add(observer)
      return () => {
        leave()
        return Promise.resolve()
      }
    },
    apply: (given) => {
      const { object, service } = examine(given)
      if (E.isLeft(service) || object === undefined) return service
      const { name } = object.metadata
      put(object)
      if (judge(name)) changed()
      return E.right(serving.serviceOf(name) ?? service.right)
    },
    delete: (name) => {
      const isDeleted = remove(name)
      if (judge(name)) changed()
      return isDeleted
    },
  }
}
