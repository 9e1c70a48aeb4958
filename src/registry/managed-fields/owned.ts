import { isObject } from '../json-value.ts'
import { asMember, isEmpty, leaf, mapChildren, node, type FieldSet } from './field-set.ts'
import type { FieldType } from './field-type.ts'
import { partsOf, type Part } from './parts.ts'
import type { PathElement } from './path-element.ts'

/** Items, and keys that no schema names, are there because somebody put them there, not only what is in them. */
const isPut = (container: FieldType, value: unknown): boolean =>
  container.kind !== 'struct' || value === null || (isObject(value) && Object.keys(value).length === 0)

const partOwned = (container: FieldType, { type, values }: Part): FieldSet => {
  if (values.length > 1) return leaf
  const [value] = values
  const set = ownedBy(type, value)
  return isPut(container, value) ? asMember(set) : set
}

/** All fields that who applies the value owns. Source: toFieldSetWalker of structured-merge-diff. */
export const ownedBy = (type: FieldType, value: unknown): FieldSet => {
  const parts = partsOf(type, value)
  if (parts === undefined) return leaf
  const children = new Map<PathElement, FieldSet>()
  for (const [element, part] of parts) {
    const child = partOwned(type, part)
    if (!isEmpty(child)) children.set(element, child)
  }
  return node(false, children)
}

const typeAt = (type: FieldType, element: PathElement): FieldType | undefined => {
  switch (type.kind) {
    case 'struct':
      return type.fields.get(element.slice(2))
    case 'map':
      return type.values
    case 'list':
    case 'set':
      return type.items
    default:
      return undefined
  }
}

const isNamed = (container: FieldType, type: FieldType | undefined): boolean =>
  container.kind === 'struct' && type !== undefined && !(type.kind === 'struct' && type.isUntracked === true)

/**
 * The set with the fields of the schema that hold its members: who owns all that is in a field owns the field. Source:
 * EnsureNamedFieldsAreMembers of structured-merge-diff.
 */
export const withNamedFields = (type: FieldType, set: FieldSet): FieldSet =>
  mapChildren(set, set.isMember, (child, element) => {
    const childType = typeAt(type, element)
    const inner = childType === undefined ? child : withNamedFields(childType, child)
    return isNamed(type, childType) ? asMember(inner) : inner
  })
