import { isArray, isObject, own } from '../json-value.ts'
import type { FieldType, ListKey, StructType } from './field-type.ts'
import { fieldElement, keyElement, valueElement, type PathElement } from './path-element.ts'

/** What stands at one step. A list that breaks its own rule has several items with the same keys. */
export interface Part {
  readonly type: FieldType
  readonly values: ReadonlyArray<unknown>
}

export type Parts = ReadonlyMap<PathElement, Part>

const none: Parts = new Map()

/** Step to an item of a list by its keys. `undefined`: it has none, or is no object. */
export const itemElement = (keys: ReadonlyArray<ListKey>, item: unknown): PathElement | undefined => {
  if (!isObject(item)) return undefined
  const entries: Array<readonly [string, unknown]> = []
  for (const key of keys) {
    const value = own(item, key.name) ?? key.default
    if (value !== undefined) entries.push([key.name, value])
  }
  return entries.length === 0 ? undefined : keyElement(entries)
}

/** Step to an item of a set. `undefined`: it is no scalar. */
export const memberElement = (item: unknown): PathElement | undefined =>
  item === null || item === undefined || typeof item === 'object' ? undefined : valueElement(item)

const structParts = (type: StructType, value: object): Parts => {
  const parts = new Map<PathElement, Part>()
  for (const [name, field] of Object.entries(value)) {
    const fieldType = type.fields.get(name)
    if (fieldType !== undefined && fieldType.kind !== 'untracked' && field !== undefined) {
      parts.set(fieldElement(name), { type: fieldType, values: [field] })
    }
  }
  return parts
}

const mapParts = (values: FieldType, value: object): Parts =>
  new Map(Object.entries(value).map(([name, field]) => [fieldElement(name), { type: values, values: [field] }]))

const listParts = (
  items: FieldType,
  list: ReadonlyArray<unknown>,
  elementOf: (item: unknown) => PathElement | undefined,
): Parts | undefined => {
  const parts = new Map<PathElement, { readonly type: FieldType; readonly values: unknown[] }>()
  for (const item of list) {
    const element = elementOf(item)
    if (element === undefined) return undefined
    const part = parts.get(element)
    if (part === undefined) parts.set(element, { type: items, values: [item] })
    else part.values.push(item)
  }
  return parts
}

/**
 * What a value holds, each at its step; nothing, for one that is absent or null. `undefined`: it is owned whole, because its type
 * says so or it is not of its type. What the schema does not know, and what is the server's own, is nobody's.
 */
export const partsOf = (type: FieldType, value: unknown): Parts | undefined => {
  if (type.kind === 'scalar' || type.kind === 'atomic' || type.kind === 'array') return undefined
  if (value === undefined || value === null || type.kind === 'untracked') return none
  switch (type.kind) {
    case 'struct':
      return isObject(value) ? structParts(type, value) : undefined
    case 'map':
      return isObject(value) ? mapParts(type.values, value) : undefined
    case 'list':
      return isArray(value) ? listParts(type.items, value, (item) => itemElement(type.keys, item)) : undefined
    case 'set':
      return isArray(value) ? listParts(type.items, value, memberElement) : undefined
  }
}
