import { apiVersion, kind } from '../../api/dataplane-service.ts'
import { ObjectMetaShape, type StoredObject } from '../../api/object.ts'
import { capCauses, decodeWith, describeCauses } from '../../decode.ts'
import { badRequest, type AggregatorError } from '../../errors.ts'
import { E } from '../../fp.ts'
import { isObject, own, type JsonObject } from '../json-value.ts'
import { checkApplied } from './check.ts'
import { compare, isSame } from './compare.ts'
import { conflictError, type Conflict } from './conflict.ts'
import { areEqual, difference, intersection, isEmpty, union, unionOf, type FieldSet } from './field-set.ts'
import { objectType } from './field-type.ts'
import { keepLastApplied, takeable } from './last-applied.ts'
import { mergeApplied, removeFields } from './merge.ts'
import { ownedBy, withNamedFields } from './owned.ts'
import { ownersOf, withOwners } from './own-update.ts'
import { disown, ownerId, toOwner, writableThrough, type FieldManager, type Owner, type Owners } from './owners.ts'

const typeFault = (applied: JsonObject): AggregatorError | undefined => {
  const [given, of] = [own(applied, 'apiVersion') ?? '', own(applied, 'kind') ?? '']
  if (given === apiVersion && of === kind) return undefined
  const text =
    typeof given === 'string' && typeof of === 'string'
      ? `${given.includes('/') ? given : `/${given}`}, Kind=${of}`
      : ''
  return badRequest(`invalid object type: ${text}`)
}

const metadataFault = (applied: JsonObject): AggregatorError | undefined => {
  const metadata = own(applied, 'metadata')
  const managedFields = isObject(metadata) ? (own(metadata, 'managedFields') ?? undefined) : undefined
  return managedFields === undefined ? undefined : badRequest('metadata.managedFields must be nil')
}

const schemaFault = (applied: JsonObject): AggregatorError | undefined => {
  const causes = capCauses(checkApplied(objectType, applied))
  return causes.length === 0
    ? undefined
    : badRequest(`failed to create typed patch object: ${describeCauses(causes)}`, causes)
}

/** Without managed fields, who applies first finds what others did before; it is theirs. Source: skipNonAppliedManager. */
const ownersBefore = (live: StoredObject | undefined, by: FieldManager): Owners => {
  const owners = ownersOf(live)
  if (owners.size > 0 || live === undefined) return owners
  const found = writableThrough(by.subresource, compare(objectType, {}, live).added)
  const owner = toOwner({ ...by, name: 'before-first-apply' }, 'Update', found)
  return isEmpty(found) ? owners : new Map([[ownerId(owner), owner]])
}

/**
 * The merged object without what its manager applied last and does not any more, unless it is somebody else's too. Source: prune of
 * structured-merge-diff.
 */
const prune = (merged: unknown, last: FieldSet, owned: FieldSet): unknown => {
  const lastNamed = withNamedFields(objectType, last)
  const ownedNamed = withNamedFields(objectType, owned)
  if (isEmpty(difference(lastNamed, ownedNamed))) return merged
  const namedIn = (value: unknown): FieldSet => withNamedFields(objectType, ownedBy(objectType, value))
  const all = namedIn(merged)
  const untouched = namedIn(removeFields(objectType, merged, lastNamed, 'null'))
  const kept = removeFields(objectType, merged, difference(all, union(untouched, ownedNamed)), 'null')
  // What fell with its container, but was not this manager's to take, comes back.
  return removeFields(objectType, merged, intersection(difference(all, namedIn(kept)), lastNamed), 'empty')
}

interface Outcome {
  readonly object: unknown
  readonly owners: Owners
  readonly conflicts: ReadonlyArray<Conflict>
}

const conflictsIn = (owners: Owners, changed: FieldSet): ReadonlyArray<Conflict> =>
  [...owners]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, owner]) => ({ owner, fields: intersection(owner.fields, changed) }))
    .filter(({ fields }) => !isEmpty(fields))

const applyTo = (live: StoredObject | undefined, applied: JsonObject, before: Owners, by: FieldManager): Outcome => {
  const wanted = writableThrough(by.subresource, ownedBy(objectType, applied))
  const owner = toOwner(by, 'Apply', wanted)
  const previous = before.get(ownerId(owner))
  const others: Owners = new Map([...before].filter(([id]) => id !== ownerId(owner)))
  const owned = unionOf([wanted, ...[...others.values()].map(({ fields }) => fields)])
  const merged = mergeApplied(objectType, live ?? {}, applied)
  const object = previous === undefined ? merged : prune(merged, previous.fields, owned)
  const comparison = compare(objectType, live ?? {}, object)
  const changed = writableThrough(by.subresource, union(comparison.modified, comparison.added))
  const left = disown(others, union(changed, writableThrough(by.subresource, comparison.removed)))
  const isAgain = previous !== undefined && areEqual(previous.fields, wanted) && isSame(comparison)
  const self: Owner = isAgain ? previous : owner
  const owners = isEmpty(wanted) ? left : new Map([...left, [ownerId(self), self]])
  return { object, owners, conflicts: conflictsIn(others, changed) }
}

/** What may be taken over from kubectl's own apply is no conflict for kubectl; all others may stand in its way. */
const standing = (
  conflicts: ReadonlyArray<Conflict>,
  live: StoredObject | undefined,
  by: FieldManager,
): ReadonlyArray<Conflict> => {
  if (conflicts.length === 0 || by.name !== 'kubectl') return conflicts
  const allowed = takeable(live)
  return conflicts
    .map(({ owner, fields }) => ({ owner, fields: difference(fields, allowed) }))
    .filter(({ fields }) => !isEmpty(fields))
}

const isStored = (value: unknown): value is StoredObject =>
  isObject(value) && isObject(value['metadata']) && typeof value['metadata']['name'] === 'string'

const toStored = (value: unknown): E.Either<AggregatorError, StoredObject> => {
  if (!isStored(value)) return E.left(badRequest('expected metadata.name, got none'))
  const metadata = decodeWith(ObjectMetaShape)(value.metadata)
  if (E.isRight(metadata)) return E.right(value)
  return E.left(badRequest(`wrong metadata: ${describeCauses(metadata.left)}`, metadata.left))
}

/**
 * The live object with what is applied, and its managedFields; what the same manager applied before and leaves out now goes, unless
 * somebody else owns it too. Only the schema is checked: metadata's rules and validation come after. `applied` has a name, its own or
 * that of the URL. Fails with BadRequest, Conflict (unless forced). Source: FieldManager.Apply of apimachinery. Pure.
 */
export const serverSideApply = (
  live: StoredObject | undefined,
  applied: unknown,
  by: FieldManager,
  isForced: boolean,
): E.Either<AggregatorError, StoredObject> => {
  if (!isObject(applied)) return E.left(badRequest('error decoding patch: expected an object, got something else'))
  const fault = typeFault(applied) ?? metadataFault(applied) ?? schemaFault(applied)
  if (fault !== undefined) return E.left(fault)
  const { object, owners, conflicts } = applyTo(live, applied, ownersBefore(live, by), by)
  const inTheWay = isForced ? [] : standing(conflicts, live, by)
  if (inTheWay.length > 0) return E.left(conflictError(inTheWay))
  return E.map((stored: StoredObject) => {
    const owned = withOwners(stored, owners)
    return by.name === 'kubectl' ? keepLastApplied(owned, applied) : owned
  })(toStored(object))
}
