import { isArray, isObject, own, type JsonObject } from './json-value.ts'

/** Merges an item of a patch into that of the list. Left as a text: what is wrong with the patch. */
type MergeItem = (old: JsonObject, patch: JsonObject) => JsonObject | string

/** What a patch says of one list: its items, what to take out of it, and the order of them. */
export interface ListPatch {
  readonly items: unknown
  readonly deleted: unknown
  readonly order: unknown
}

const identify = (item: unknown, mergeKey: string | undefined): string => {
  if (mergeKey === undefined) return JSON.stringify(item)
  return isObject(item) ? (JSON.stringify(own(item, mergeKey)) ?? '') : ''
}

const indicesOf = (ids: ReadonlyArray<string>): ReadonlyMap<string, number> =>
  new Map(ids.map((id, index) => [id, index]))

/** Those that `wanted` names come in its order; each of the others stays before the first that it was before in `old`. */
const reorder = (
  items: ReadonlyMap<string, unknown>,
  wanted: ReadonlyArray<string>,
  old: ReadonlyArray<string>,
): ReadonlyMap<string, unknown> => {
  const oldIndices = indicesOf(old)
  const named = wanted.filter((id) => items.has(id))
  const isNamed = new Set(named)
  const rest = [...items.keys()].filter((id) => !isNamed.has(id))
  const ids: string[] = []
  let next = 0
  for (const id of named) {
    const index = oldIndices.get(id) ?? -1
    for (let other = rest[next]; other !== undefined && (oldIndices.get(other) ?? index) < index; other = rest[next]) {
      ids.push(other)
      next++
    }
    ids.push(id)
  }
  return new Map([...ids, ...rest.slice(next)].map((id) => [id, items.get(id)]))
}

interface Merging {
  readonly merged: Map<string, unknown>
  /** Ids of the items of the patch. */
  readonly named: Set<string>
}

const mergeItem = (merging: Merging, item: unknown, id: string, merge: MergeItem): string | undefined => {
  if (isObject(item) && Object.hasOwn(item, '$patch')) {
    if (own(item, '$patch') !== 'delete') return 'expected $patch: delete or replace in an item of a list, got another'
    merging.merged.delete(id)
    return undefined
  }
  const old = merging.merged.get(id)
  const value = isObject(item) ? merge(isObject(old) ? old : {}, item) : item
  if (isObject(item) && typeof value === 'string') return value
  merging.merged.set(id, value)
  merging.named.add(id)
  return undefined
}

const mergeItems = (
  old: ReadonlyMap<string, unknown>,
  items: ReadonlyArray<unknown>,
  mergeKey: string | undefined,
  merge: MergeItem,
): Merging | string => {
  const merging: Merging = { merged: new Map(old), named: new Set() }
  for (const item of items) {
    if (isObject(item) !== (mergeKey !== undefined))
      return 'expected the items of a list as its type has them, got others'
    const id = identify(item, mergeKey)
    if (id === '') return `expected items with "${mergeKey ?? ''}", got one without`
    const fault = mergeItem(merging, item, id, merge)
    if (fault !== undefined) return fault
  }
  return merging
}

const isReplacement = (item: unknown): boolean => isObject(item) && own(item, '$patch') === 'replace'

const isListOrNothing = (value: unknown): value is ReadonlyArray<unknown> | undefined =>
  value === undefined || isArray(value)

/**
 * A list of a strategic merge patch whose items are merged: by `mergeKey`, or as a set of texts without one. A text: what is
 * wrong with the patch. Source: mergeSlice and mergePatchIntoOriginal of apimachinery's strategicpatch.
 */
export const mergeList = (
  live: unknown,
  { items, deleted, order }: ListPatch,
  mergeKey: string | undefined,
  merge: MergeItem,
): ReadonlyArray<unknown> | string => {
  if (!isListOrNothing(items) || !isListOrNothing(deleted) || !isListOrNothing(order))
    return 'expected a list, got another'
  if (items?.some(isReplacement)) return items.filter((item) => !(isObject(item) && Object.hasOwn(item, '$patch')))
  const old = new Map((isArray(live) ? live : []).map((item) => [identify(item, mergeKey), item]))
  const merging = mergeItems(old, items ?? [], mergeKey, merge)
  if (typeof merging === 'string') return merging
  const wanted = order === undefined ? merging.named : new Set(order.map((item) => identify(item, mergeKey)))
  if ([...merging.named].some((id) => !wanted.has(id))) {
    return 'expected all items of the list in $setElementOrder, got others'
  }
  const isDeleted = new Set((deleted ?? []).map((item) => identify(item, mergeKey)))
  const sorted = reorder(merging.merged, [...wanted], [...old.keys()])
  return [...sorted].filter(([id]) => !isDeleted.has(id)).map(([, item]) => item)
}
