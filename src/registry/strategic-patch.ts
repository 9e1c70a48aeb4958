import { badRequest, type AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import { isArray, isObject, objectOf, own, type JsonObject } from './json-value.ts'
import { mergeList } from './merge-list.ts'

/** Which lists of an object are merged item by item, and by which key of theirs. All others are replaced. */
type MergedLists = ReadonlyMap<string, string | undefined>

const none: MergedLists = new Map()

/** Source: the patchStrategy tags of ObjectMeta. No list of a DataPlaneService itself has one. */
const metadataLists: MergedLists = new Map([
  ['finalizers', undefined],
  ['ownerReferences', 'uid'],
])

const order = '$setElementOrder/'
const deletion = '$deleteFromPrimitiveList/'

const isDirective = (key: string): boolean =>
  key === '$patch' || key === '$retainKeys' || key.startsWith(order) || key.startsWith(deletion)

const isDirected = (value: unknown): boolean => isObject(value) && Object.hasOwn(value, '$patch')

/** A value for a place where nothing was: neither directives nor nulls stay in it. */
const cleaned = (value: unknown): unknown => {
  if (isArray(value)) return value.filter((item) => !isDirected(item)).map(cleaned)
  return isObject(value) ? withoutDirectives(value) : value
}

const withoutDirectives = (object: JsonObject): JsonObject =>
  objectOf(
    Object.entries(object)
      .filter(([key, value]) => value !== null && !isDirective(key) && !isDirected(value))
      .map(([key, value]) => [key, cleaned(value)]),
  )

/** What stays of the old object under `$retainKeys`. */
const retained = (old: JsonObject, patch: JsonObject): JsonObject | string => {
  const keys = own(patch, '$retainKeys')
  if (keys === undefined) return old
  if (!isArray(keys)) return 'expected a list as $retainKeys, got something else'
  const isRetained = new Set(keys)
  const isOutside = ([key, value]: readonly [string, unknown]): boolean =>
    value !== null && !isDirective(key) && !isRetained.has(key)
  if (Object.entries(patch).some(isOutside)) return 'expected all fields of the patch in $retainKeys, got others'
  return objectOf(Object.entries(old).filter(([key]) => isRetained.has(key)))
}

/** Names of the merged lists that the patch speaks of. */
const listsIn = (patch: JsonObject, lists: MergedLists): ReadonlyArray<readonly [string, string | undefined]> =>
  [...lists].filter(
    ([name]) =>
      isArray(own(patch, name)) ||
      Object.hasOwn(patch, `${order}${name}`) ||
      Object.hasOwn(patch, `${deletion}${name}`),
  )

const mergeLists = (
  merged: Map<string, unknown>,
  patch: JsonObject,
  lists: ReadonlyArray<readonly [string, string | undefined]>,
): string | undefined => {
  for (const [name, mergeKey] of lists) {
    const items = own(patch, name) ?? undefined
    const said = { items, deleted: own(patch, `${deletion}${name}`), order: own(patch, `${order}${name}`) }
    const list = mergeList(merged.get(name), said, mergeKey, (old, item) => mergeObject(old, item, none))
    if (typeof list === 'string') return list
    if (items !== undefined || merged.has(name)) merged.set(name, list)
  }
  return undefined
}

const mergeField = (
  merged: Map<string, unknown>,
  key: string,
  value: unknown,
  lists: MergedLists,
): string | undefined => {
  const old = merged.get(key)
  if (value === null) {
    merged.delete(key)
    return undefined
  }
  if (!isObject(value) || !isObject(old)) {
    if (isDirected(value)) merged.delete(key)
    else merged.set(key, cleaned(value))
    return undefined
  }
  const field = mergeObject(old, value, lists)
  if (typeof field === 'string') return field
  merged.set(key, field)
  return undefined
}

const mergeFields = (
  old: JsonObject,
  patch: JsonObject,
  lists: MergedLists,
  inner: ReadonlyMap<string, MergedLists>,
): JsonObject | string => {
  const merged = new Map(Object.entries(old))
  const listed = listsIn(patch, lists)
  const listFault = mergeLists(merged, patch, listed)
  if (listFault !== undefined) return listFault
  const isListed = new Set(listed.map(([name]) => name))
  for (const [key, value] of Object.entries(patch)) {
    if (isDirective(key) || (isListed.has(key) && value !== null)) continue
    const fault = mergeField(merged, key, value, inner.get(key) ?? none)
    if (fault !== undefined) return fault
  }
  return objectOf(merged)
}

/** `lists`: those among the object's own fields; `inner`: those of the fields named so. */
const mergeObject = (
  old: JsonObject,
  patch: JsonObject,
  lists: MergedLists,
  inner: ReadonlyMap<string, MergedLists> = new Map(),
): JsonObject | string => {
  switch (own(patch, '$patch')) {
    case 'delete':
      return {}
    case 'replace':
      return withoutDirectives(patch)
    case 'merge':
    case undefined: {
      const kept = retained(old, patch)
      return typeof kept === 'string' ? kept : mergeFields(kept, patch, lists, inner)
    }
    default:
      return 'expected $patch: delete, replace or merge, got something else'
  }
}

const placesOfLists: ReadonlyMap<string, MergedLists> = new Map([['metadata', metadataLists]])

/**
 * The object with what a strategic merge patch says of it: a merge patch with `$patch: delete | replace | merge`, `$retainKeys`, and
 * finalizers and owner references merged item by item. Fails with BadRequest. Source: strategicpatch of apimachinery. Pure.
 */
export const strategicPatch = (target: JsonObject, patch: JsonObject): E.Either<AggregatorError, JsonObject> => {
  const merged = mergeObject(target, patch, none, placesOfLists)
  return typeof merged === 'string' ? E.left(badRequest(`error decoding patch: ${merged}`)) : E.right(merged)
}
