import { isDeepStrictEqual } from 'node:util'

import type { ObjectMeta, OwnerReference, StoredObject } from '../api/object.ts'
import { quote } from '../decode.ts'

/** Shape: `2026-11-23T00:51:00Z`. Source: metav1.Time. */
export const formatTime = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`

/** What a client has no say in: some is the server's, some a cluster-scoped object has not. */
const serverFields: ReadonlySet<string> = new Set([
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
])

/** One and the same owner is one. */
const distinct = (owners: ReadonlyArray<OwnerReference>): ReadonlyArray<OwnerReference> =>
  owners.filter((owner, index) => {
    const first = owners.findIndex(({ uid }) => uid === owner.uid)
    return first === index || !isDeepStrictEqual(owners[first], owner)
  })

/** What the client has a say in, without lists and maps that hold nothing. */
const givenOf = (given: ObjectMeta): ObjectMeta => {
  const { ownerReferences, ...rest } = given
  const all = { ...rest, ...(ownerReferences === undefined ? {} : { ownerReferences: distinct(ownerReferences) }) }
  const kept = Object.entries(all).filter(([key, value]) => !serverFields.has(key) && !isEmpty(value))
  return { ...Object.fromEntries(kept), name: given.name }
}

/** As Go leaves it out. */
const isEmpty = (value: unknown): boolean =>
  value === '' || (typeof value === 'object' && Object.keys(value ?? {}).length === 0)

/** Of an object that is new. Source: BeforeCreate of apiserver. */
export const createdMetadata = (given: ObjectMeta, uid: string, timeMs: number): ObjectMeta => ({
  ...givenOf(given),
  uid,
  generation: 1,
  creationTimestamp: formatTime(timeMs),
})

/** What stays, whatever is written. */
const keptOf = ({ metadata }: StoredObject): Partial<ObjectMeta> =>
  Object.fromEntries(Object.entries(metadata).filter(([key]) => serverFields.has(key)))

/** Of an object that is there. Source: BeforeUpdate of apiserver. */
export const updatedMetadata = (live: StoredObject, given: ObjectMeta, hasOtherSpec: boolean): ObjectMeta => {
  const generation = (live.metadata.generation ?? 1) + 1
  return { ...givenOf(given), ...keptOf(live), ...(hasOtherSpec ? { generation } : {}) }
}

/** Those of Kubernetes itself. */
const plainFinalizers: ReadonlySet<string> = new Set(['foregroundDeletion', 'orphan', 'kubernetes'])

/** What is legal, and will be regretted. Pure. */
export const metadataWarnings = (live: StoredObject | undefined, given: ObjectMeta): ReadonlyArray<string> => {
  const { finalizers = [], ownerReferences = [] } = given
  const before = live?.metadata.finalizers ?? []
  const uids = ownerReferences.map(({ uid }) => uid)
  const twice = uids.filter((uid, index) => uids.indexOf(uid) < index)
  return [
    ...finalizers
      .filter((name) => !name.includes('/') && !plainFinalizers.has(name) && !before.includes(name))
      .map(
        (name) =>
          `metadata.finalizers: ${quote(name)}: prefer a domain-qualified finalizer name to avoid accidental conflicts with other ` +
          'finalizer writers',
      ),
    ...(twice.length > 0
      ? [
          `.metadata.ownerReferences contains duplicate entries; duplicate UID(s) observed: ${[...new Set(twice)].slice(0, 5).join(', ')}`,
        ]
      : []),
  ]
}
