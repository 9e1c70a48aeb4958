import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'

import type { ManagedFieldsEntry, ObjectMeta, StoredObject } from '../api/object.ts'
import { fieldOf } from './accept.ts'

/** What an author writes of metadata, beside the name. */
const authored = [
  'generateName',
  'creationTimestamp',
  'labels',
  'annotations',
  'finalizers',
  'ownerReferences',
] as const satisfies ReadonlyArray<keyof ObjectMeta>

/** What only an API writes. */
const kept = ['deletionTimestamp', 'deletionGracePeriodSeconds', 'managedFields'] as const satisfies ReadonlyArray<
  keyof ObjectMeta
>

/** A document with a uid came through the API, and keeps its books; one that somebody wrote by hand is not filled with ours. */
const keepsBooks = (metadata: unknown): boolean => typeof fieldOf(metadata, 'uid') === 'string'

const withoutStatus = (entries: ReadonlyArray<ManagedFieldsEntry>): ReadonlyArray<ManagedFieldsEntry> | undefined => {
  const others = entries.filter(({ subresource }) => subresource !== 'status')
  return others.length > 0 ? others : undefined
}

/** What a document says of metadata; a status is written nowhere, so nobody owns a field of it. */
const metadataOf = (metadata: ObjectMeta, withBooks: boolean): Readonly<Record<string, unknown>> => {
  const fields = [...authored, ...(withBooks ? kept : [])].map((key) => {
    const value = key === 'managedFields' ? withoutStatus(metadata.managedFields ?? []) : metadata[key]
    return [key, value] as const
  })
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined))
}

/** The same name gives the same one, in every process (RFC 9562, version 8). */
const uidOf = (name: string): string => {
  const hex = createHash('sha256').update(`DataPlaneService/${name}`).digest('hex')
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16)
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join('-')
}

const fresh = ({ metadata, status: _status, ...object }: StoredObject): StoredObject => {
  const { resourceVersion: _resourceVersion, ...rest } = metadata
  const { uid = uidOf(metadata.name), generation = 1 } = metadata
  return { ...object, metadata: { ...rest, uid, generation } }
}

/**
 * What becomes of an object when this is found in its document: the present one (`===`) where it says the same, another one in
 * its place where it has another uid. Books and status that are in no document go on. Pure.
 */
export const reconcile = (present: StoredObject | undefined, found: StoredObject): StoredObject => {
  const { uid } = found.metadata
  if (present === undefined || (uid !== undefined && uid !== present.metadata.uid)) return fresh(found)
  const isOwn = keepsBooks(found.metadata)
  const [old, young] = [metadataOf(present.metadata, isOwn), metadataOf(found.metadata, isOwn)]
  const isSameSpec = isDeepStrictEqual(present.spec, found.spec)
  if (isSameSpec && isDeepStrictEqual(old, young)) return present
  const { metadata, status } = present
  const gone = new Set(Object.keys(old).filter((key) => !Object.hasOwn(young, key)))
  const staying = Object.fromEntries(Object.entries(metadata).filter(([key]) => !gone.has(key)))
  const come = Object.fromEntries(Object.entries(young).filter(([key, value]) => !isDeepStrictEqual(old[key], value)))
  const generation = (metadata.generation ?? 1) + (isSameSpec ? 0 : 1)
  const { apiVersion, kind, spec } = found
  return {
    apiVersion,
    kind,
    metadata: { ...staying, ...come, name: metadata.name, generation },
    ...(spec === undefined ? {} : { spec }),
    ...(status === undefined ? {} : { status }),
  }
}

const entriesOf = (value: unknown): ReadonlyArray<readonly [string, unknown]> =>
  typeof value === 'object' && value !== null ? Object.entries(value) : []

const copyOf = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/** The document of an object that had none. Pure. */
export const newDocument = ({ apiVersion, kind, metadata, spec }: StoredObject): unknown => {
  const { name, uid, generation } = metadata
  return copyOf({ apiVersion, kind, metadata: { name, uid, generation, ...metadataOf(metadata, true) }, spec })
}

/** A document with what became of its object; what else it holds stays. Pure. */
export const changeDocument = (document: unknown, { metadata, spec }: StoredObject): unknown => {
  const before = new Map(entriesOf(fieldOf(document, 'metadata')))
  const isOwn = keepsBooks(fieldOf(document, 'metadata'))
  const fields = metadataOf(metadata, isOwn)
  for (const key of [...authored, ...(isOwn ? kept : [])]) {
    if (Object.hasOwn(fields, key)) before.set(key, fields[key])
    // null stands for none, and may stay
    else if (before.get(key) !== null) before.delete(key)
  }
  if (isOwn) before.set('generation', metadata.generation)
  const after = new Map([...entriesOf(document), ['metadata', Object.fromEntries(before)] as const])
  if (spec !== undefined) after.set('spec', spec)
  else if (after.get('spec') !== null) after.delete('spec')
  return copyOf(Object.fromEntries(after))
}
