import type { Schema } from '../api/schema.ts'
import type { StatusCause } from '../api/status.ts'
import { quote } from '../decode.ts'
import { isArray, isObject, own, type JsonObject } from './json-value.ts'

type Causes = ReadonlyArray<StatusCause>

const cause = (reason: StatusCause['reason'], field: string, message: string): Causes => [{ reason, field, message }]

const typeOf = (value: unknown): string => {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value === 'number' && Number.isSafeInteger(value) ? 'integer' : typeof value
}

const isOfType = (value: unknown, type: Schema['type']): boolean => {
  const actual = typeOf(value)
  return type === undefined || actual === type || (type === 'number' && actual === 'integer')
}

/** Source: strfmt of go-openapi, as far as it takes what Kubernetes writes. */
const isDateTime = (text: string): boolean =>
  text.length <= 40 &&
  /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text) &&
  !Number.isNaN(Date.parse(text))

const checkText = (value: string, schema: Schema, field: string): Causes => {
  const { minLength = 0, maxLength = Infinity, format } = schema
  const allowed = schema.enum
  if (value.length > maxLength) {
    return cause('FieldValueTooLong', field, `Too long: may not be more than ${String(maxLength)} bytes`)
  }
  if (value.length < minLength) {
    const text = `${field} in body should be at least ${String(minLength)} chars long`
    return cause('FieldValueInvalid', field, `Invalid value: ${quote(value)}: ${text}`)
  }
  if (format === 'date-time' && !isDateTime(value)) {
    const text = `${field} in body must be of type date-time: ${quote(value)}`
    return cause('FieldValueTypeInvalid', field, `Invalid value: ${quote(value)}: ${text}`)
  }
  if (allowed === undefined || allowed.includes(value)) return []
  const supported = allowed.map((word) => JSON.stringify(word)).join(', ')
  return cause('FieldValueNotSupported', field, `Unsupported value: ${quote(value)}: supported values: ${supported}`)
}

const checkNumber = (value: number, { minimum = -Infinity }: Schema, field: string): Causes => {
  const text = `${field} in body should be greater than or equal to ${String(minimum)}`
  return value < minimum ? cause('FieldValueInvalid', field, `Invalid value: ${String(value)}: ${text}`) : []
}

const checkObject = (value: JsonObject, schema: Schema, field: string): Causes => {
  const below = (key: string): string => (field === '' ? key : `${field}.${key}`)
  const { required = [], properties = {} } = schema
  const missing = required.filter((key) => own(value, key) === undefined)
  return [
    ...missing.flatMap((key) => cause('FieldValueRequired', below(key), 'Required value')),
    ...Object.entries(properties).flatMap(([key, property]) => {
      const inner = own(value, key)
      return inner === undefined ? [] : checkValue(inner, property, below(key))
    }),
  ]
}

/** What tells an item of a map-list from the others. */
const identityOf = (item: unknown, keys: ReadonlyArray<string>): string =>
  JSON.stringify(isObject(item) ? Object.fromEntries(keys.map((key) => [key, own(item, key)])) : item)

const duplicatesIn = (items: ReadonlyArray<unknown>, schema: Schema, field: string): Causes => {
  if (schema['x-kubernetes-list-type'] !== 'map') return []
  const keys = (schema['x-kubernetes-list-map-keys'] ?? []).toSorted()
  const seen = new Set<string>()
  return items.flatMap((item, index) => {
    const identity = identityOf(item, keys)
    if (!seen.has(identity)) {
      seen.add(identity)
      return []
    }
    return cause('FieldValueDuplicate', `${field}[${String(index)}]`, `Duplicate value: ${identity}`)
  })
}

const checkArray = (items: ReadonlyArray<unknown>, schema: Schema, field: string): Causes => {
  const { maxItems = Infinity, items: itemSchema = {} } = schema
  if (items.length > maxItems) {
    // Of each of them there could be something to say.
    const text = `must have at most ${String(maxItems)} items, got ${String(items.length)}`
    return cause('FieldValueTooLong', field, `Too long: ${text}`)
  }
  const causes = items.flatMap((item, index) => checkValue(item, itemSchema, `${field}[${String(index)}]`))
  return causes.length > 0 ? causes : duplicatesIn(items, schema, field)
}

const checkValue = (value: unknown, schema: Schema, field: string): Causes => {
  if (!isOfType(value, schema.type)) {
    const actual = `"${typeOf(value)}"`
    const text = `${field} in body must be of type ${schema.type ?? ''}: ${actual}`
    return cause('FieldValueTypeInvalid', field, `Invalid value: ${actual}: ${text}`)
  }
  if (typeof value === 'string') return checkText(value, schema, field)
  if (typeof value === 'number') return checkNumber(value, schema, field)
  if (isArray(value)) return checkArray(value, schema, field)
  return isObject(value) ? checkObject(value, schema, field) : []
}

/**
 * What in a value is not as its schema has it, in the words of Kubernetes; unknown fields are none of it. `field`: where the value stands.
 * Source: validation of structural schemas in apiextensions. Pure.
 */
export const checkSchema = (value: unknown, schema: Schema, field = ''): Causes => checkValue(value, schema, field)
