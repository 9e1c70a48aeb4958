import { isArray, isObject, objectOf, type JsonObject } from '../json-value.ts'
import { childAt, isEmpty, type FieldSet } from './field-set.ts'
import type { FieldType } from './field-type.ts'
import { itemElement, memberElement } from './parts.ts'
import { fieldElement, type PathElement } from './path-element.ts'

type ListType = FieldType & { readonly kind: 'list' | 'set' }
type ObjectType = FieldType & { readonly kind: 'struct' | 'map' }

const elementOf = (type: ListType, item: unknown): PathElement | undefined =>
  type.kind === 'list' ? itemElement(type.keys, item) : memberElement(item)

const fieldTypeOf = (type: ObjectType, name: string): FieldType | undefined =>
  type.kind === 'map' ? type.values : type.fields.get(name)

const mergeObjects = (type: ObjectType, live: JsonObject, applied: JsonObject): JsonObject => {
  const merged = new Map(Object.entries(live))
  for (const [name, value] of Object.entries(applied)) {
    const fieldType = fieldTypeOf(type, name)
    merged.set(name, fieldType === undefined ? value : mergeApplied(fieldType, merged.get(name), value))
  }
  return objectOf(merged)
}

const indexItems = (type: ListType, list: ReadonlyArray<unknown>): ReadonlyMap<PathElement, unknown> | undefined => {
  const items = new Map<PathElement, unknown>()
  for (const item of list) {
    const element = elementOf(type, item)
    if (element === undefined) return undefined
    items.set(element, item)
  }
  return items
}

/**
 * Applied items come in their own order. Each other item stays where it was between those that both have, before new ones.
 * Source: visitListItems of structured-merge-diff's mergingWalker.
 */
const mergeLists = (
  type: ListType,
  live: ReadonlyArray<unknown>,
  applied: ReadonlyArray<unknown>,
): ReadonlyArray<unknown> => {
  const [old, wanted] = [indexItems(type, live), indexItems(type, applied)]
  if (old === undefined || wanted === undefined) return applied
  const others = [...old.keys()]
  const shared = [...wanted.keys()].filter((element) => old.has(element))
  const merged: unknown[] = []
  let [next, nextShared] = [0, 0]
  for (const [element, item] of wanted) {
    for (let other = others[next]; other !== undefined && other !== shared[nextShared]; other = others[++next]) {
      if (!wanted.has(other)) merged.push(old.get(other))
    }
    merged.push(mergeApplied(type.items, old.get(element), item))
    if (element === shared[nextShared]) nextShared++
    if (element === others[next]) next++
  }
  for (const other of others.slice(next)) if (!wanted.has(other)) merged.push(old.get(other))
  return merged
}

/** Null says nothing of a container that holds something. */
const mergeOther = (live: unknown, applied: unknown): unknown => {
  const isFull = typeof live === 'object' && live !== null && Object.keys(live).length > 0
  return applied === null && isFull ? live : applied
}

/**
 * The live value with the applied one over it: fields and items that only one of them has stay. Both owned whole, or not of their
 * type: the applied one. Source: mergingWalker of structured-merge-diff.
 */
export const mergeApplied = (type: FieldType, live: unknown, applied: unknown): unknown => {
  if (applied === undefined) return live
  switch (type.kind) {
    case 'struct':
    case 'map':
      return isObject(live) && isObject(applied) ? mergeObjects(type, live, applied) : mergeOther(live, applied)
    case 'list':
    case 'set':
      return isArray(live) && isArray(applied) ? mergeLists(type, live, applied) : mergeOther(live, applied)
    case 'untracked':
      // Whoever prints a template writes `creationTimestamp: null`, and means nothing by it.
      return applied ?? live
    default:
      return applied
  }
}

/** What is left in the place of a container that lost all it held. Null for the question who owns it, itself for the object. */
export type Emptied = 'null' | 'empty'

const removeFromObject = (type: ObjectType, value: JsonObject, fields: FieldSet, emptied: Emptied): unknown => {
  const kept: Array<readonly [string, unknown]> = []
  for (const [name, field] of Object.entries(value)) {
    const child = childAt(fields, fieldElement(name))
    if (child.isMember) continue
    const fieldType = fieldTypeOf(type, name)
    kept.push([name, fieldType === undefined ? field : removeFields(fieldType, field, child, emptied)])
  }
  return kept.length === 0 && emptied === 'null' ? null : objectOf(kept)
}

const removeFromList = (type: ListType, list: ReadonlyArray<unknown>, fields: FieldSet, emptied: Emptied): unknown => {
  const kept = list.flatMap((item) => {
    const element = elementOf(type, item)
    if (element === undefined) return [item]
    const child = childAt(fields, element)
    return child.isMember ? [] : [removeFields(type.items, item, child, emptied)]
  })
  return kept.length === 0 && emptied === 'null' ? null : kept
}

/** The value without the members of the set and what is in them. Source: removingWalker of structured-merge-diff. */
export const removeFields = (type: FieldType, value: unknown, fields: FieldSet, emptied: Emptied): unknown => {
  if (isEmpty(fields)) return value
  if (type.kind === 'struct' || type.kind === 'map') {
    return isObject(value) ? removeFromObject(type, value, fields, emptied) : value
  }
  if (type.kind === 'list' || type.kind === 'set') {
    return isArray(value) ? removeFromList(type, value, fields, emptied) : value
  }
  return value
}
