import type { StatusCause } from '../../api/status.ts'
import { isArray, isObject } from '../json-value.ts'
import type { FieldType } from './field-type.ts'
import { itemElement, memberElement } from './parts.ts'
import { describeElement, fieldElement, type PathElement } from './path-element.ts'

type ObjectType = FieldType & { readonly kind: 'struct' | 'map' }
type ListType = FieldType & { readonly kind: 'list' | 'set' }

/** Where we are: told only when something is wrong there, since most of the time nothing is. */
interface Place {
  readonly parent: Place | undefined
  readonly element: PathElement
}

/** The author of what is applied chose the names in it, and how long they are. */
const describePlace = (place: Place | undefined): string =>
  place === undefined ? '' : describePlace(place.parent) + describeElement(place.element).slice(0, 512)

const natureOf = (value: unknown): string => {
  if (isArray(value)) return 'a list'
  return isObject(value) ? 'a map' : `a ${typeof value}`
}

const wrongType = (place: Place | undefined, wanted: string, value: unknown): StatusCause => ({
  reason: 'FieldValueTypeInvalid',
  field: describePlace(place),
  message: `expected ${wanted}, got ${natureOf(value)}`,
})

const checkObject = (type: ObjectType, value: object, parent: Place | undefined, causes: StatusCause[]): void => {
  for (const [name, inner] of Object.entries(value)) {
    const place = { parent, element: fieldElement(name) }
    const fieldType = type.kind === 'map' ? type.values : type.fields.get(name)
    if (fieldType !== undefined) check(fieldType, inner, place, causes)
    else
      causes.push({ reason: 'FieldValueInvalid', field: describePlace(place), message: 'field not declared in schema' })
  }
}

const elementOf = (type: ListType, item: unknown): PathElement | undefined =>
  type.kind === 'list' ? itemElement(type.keys, item) : memberElement(item)

const checkItems = (type: ListType, list: ReadonlyArray<unknown>, parent: Place | undefined, causes: StatusCause[]) => {
  const seen = new Set<PathElement>()
  const wanted = type.kind === 'list' ? `an object with ${type.keys.map(({ name }) => name).join(' or ')}` : 'a scalar'
  for (const [index, item] of list.entries()) {
    const element = elementOf(type, item)
    if (element === undefined) causes.push(wrongType({ parent, element: `i:${String(index)}` }, wanted, item))
    else if (seen.has(element)) {
      const message = `duplicate entries for key ${describeElement(element).slice(0, 512)}`
      causes.push({ reason: 'FieldValueDuplicate', field: describePlace(parent), message })
    } else {
      seen.add(element)
      check(type.items, item, { parent, element }, causes)
    }
  }
}

const check = (type: FieldType, value: unknown, place: Place | undefined, causes: StatusCause[]): void => {
  if (value === null || type.kind === 'untracked') return
  switch (type.kind) {
    case 'scalar':
      if (typeof value !== type.of) causes.push(wrongType(place, type.of, value))
      return
    case 'atomic':
      check(type.of, value, place, causes)
      return
    case 'struct':
    case 'map':
      if (isObject(value)) checkObject(type, value, place, causes)
      else causes.push(wrongType(place, 'a map', value))
      return
    case 'list':
    case 'set':
      if (isArray(value)) checkItems(type, value, place, causes)
      else causes.push(wrongType(place, 'a list', value))
      return
    case 'array':
      if (!isArray(value)) causes.push(wrongType(place, 'a list', value))
      else value.forEach((item, i) => check(type.items, item, { parent: place, element: `i:${String(i)}` }, causes))
  }
}

/**
 * What keeps a value from being applied: fields that the schema does not know, wrong types, items with the same keys. Shape of
 * `field`: `.spec.services[method="",path="",type="query"].x`. Source: validatingObjectWalker of structured-merge-diff.
 */
export const checkApplied = (type: FieldType, value: unknown): ReadonlyArray<StatusCause> => {
  const causes: StatusCause[] = []
  check(type, value, undefined, causes)
  return causes
}
