import type { ManagedFieldsEntry, StoredObject } from '../../api/object.ts'
import { E } from '../../fp.ts'
import { compare } from './compare.ts'
import { isEmpty, union, type FieldSet } from './field-set.ts'
import { objectType } from './field-type.ts'
import {
  capUpdaters,
  disown,
  noOwners,
  ownerId,
  parseOwners,
  toManagedFields,
  toOwner,
  writableThrough,
  type FieldManager,
  type Owners,
} from './owners.ts'

/** The object with these owners; without any, nothing tells of them. */
export const withOwners = (object: StoredObject, owners: Owners): StoredObject => {
  const { managedFields: _, ...metadata } = object.metadata
  const managedFields = toManagedFields(owners)
  return { ...object, metadata: managedFields.length === 0 ? metadata : { ...metadata, managedFields } }
}

/** Of an object that is stored: entries that nobody can read are nobody's. */
export const ownersOf = (object: StoredObject | undefined): Owners =>
  E.getOrElse(() => noOwners)(parseOwners(object?.metadata.managedFields))

const isReset = (entries: ReadonlyArray<ManagedFieldsEntry>): boolean => {
  const [first] = entries
  return first === undefined || (entries.length === 1 && Object.keys(first).length === 0)
}

/** A list that the client sends stands, and an empty one ends all ownership; one that is missing or wrong is not meant. */
const ownersBefore = (live: StoredObject | undefined, next: StoredObject, by: FieldManager): Owners => {
  // JSON has null where the type has nothing.
  const given = next.metadata.managedFields ?? undefined
  if (by.subresource !== undefined || given === undefined) return ownersOf(live)
  if (isReset(given)) return noOwners
  const owners = parseOwners(given)
  return E.isRight(owners) && owners.right.size > 0 ? owners.right : ownersOf(live)
}

/** Owners after somebody made those changes. */
const passOn = (owners: Owners, taken: FieldSet, removed: FieldSet, by: FieldManager): Owners => {
  const left = disown(owners, union(taken, removed))
  if (isEmpty(taken)) return left
  const owner = toOwner(by, 'Update', taken)
  const fields = union(left.get(ownerId(owner))?.fields ?? taken, taken)
  return capUpdaters(new Map([...left, [ownerId(owner), { ...owner, fields }]]))
}

/**
 * The object that an Update puts in the place of the live one, with its managedFields: the manager takes what it changed or added,
 * nobody keeps what is gone. Time moves for whoever changed something. An object that nobody owned stays so until it is applied.
 * `next`: after defaults and pruning. Source: FieldManager.Update of apimachinery. Pure.
 */
export const ownUpdate = (live: StoredObject | undefined, next: StoredObject, by: FieldManager): StoredObject => {
  const owners = ownersBefore(live, next, by)
  if (owners.size === 0 && live !== undefined) return withOwners(next, noOwners)
  const { removed, modified, added } = compare(objectType, live ?? {}, next)
  const taken = writableThrough(by.subresource, union(modified, added))
  return withOwners(next, passOn(owners, taken, writableThrough(by.subresource, removed), by))
}
