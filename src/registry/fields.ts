import { dataPlaneServiceSchema, type Schema } from '../api/schema.ts'
import { isArray, isObject, objectOf } from './json-value.ts'

const text: Schema = { type: 'string' }
const texts: Schema = { type: 'object', additionalProperties: text }

/** One that is refused when it is empty: whoever leaves it out shall read that of this very field. */
const emptyText: Schema = { type: 'string', default: '' }

/** Anything: whoever reads it has rules of his own. */
const anything: Schema = {}

/** Source: metav1.ObjectMeta. */
const metadata: Schema = {
  type: 'object',
  properties: {
    name: text,
    generateName: text,
    namespace: text,
    selfLink: text,
    uid: text,
    resourceVersion: text,
    generation: { type: 'integer' },
    creationTimestamp: text,
    deletionTimestamp: text,
    deletionGracePeriodSeconds: { type: 'integer' },
    labels: texts,
    annotations: texts,
    finalizers: { type: 'array', items: text },
    ownerReferences: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          apiVersion: emptyText,
          kind: emptyText,
          name: emptyText,
          uid: emptyText,
          controller: { type: 'boolean' },
          blockOwnerDeletion: { type: 'boolean' },
        },
      },
    },
    managedFields: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          manager: text,
          operation: text,
          apiVersion: text,
          time: text,
          fieldsType: text,
          fieldsV1: anything,
          subresource: text,
        },
      },
    },
  },
}

const whole: Schema = {
  ...dataPlaneServiceSchema,
  properties: { ...dataPlaneServiceSchema.properties, metadata },
}

/** What became of a value. */
export interface Conformed {
  readonly value: unknown
  /** Paths of the fields that it had beside those of the schema. Shape: `spec.services[0].foo`. */
  readonly unknownFields: ReadonlyArray<string>
}

/** More of them than this help nobody. */
const maxUnknown = 1000

/** A null stands for a field that is not there; as the value of a map it is an empty one, as Go reads it. */
const conformField = (value: unknown, schema: Schema, path: string, unknown: string[]): unknown =>
  value === null && schema.type === 'string' ? '' : conformTo(value, schema, path, unknown)

const conformObject = (value: object, schema: Schema, path: string, unknown: string[]): unknown => {
  const { properties = {}, additionalProperties } = schema
  const kept = new Map<string, unknown>()
  for (const [key, inner] of Object.entries(value)) {
    const field = path === '' ? key : `${path}.${key}`
    const known = Object.hasOwn(properties, key) ? properties[key] : undefined
    if (known !== undefined) {
      if (inner !== null) kept.set(key, conformTo(inner, known, field, unknown))
    } else if (additionalProperties !== undefined) {
      kept.set(key, conformField(inner, additionalProperties, field, unknown))
    } else if (unknown.length < maxUnknown) unknown.push(field)
  }
  for (const [key, property] of Object.entries(properties)) {
    if (property.default !== undefined && !kept.has(key)) kept.set(key, property.default)
  }
  return objectOf(kept)
}

/** As deep as the schema goes: what is deeper is unknown. Where another type stands than the schema wants, it stays. */
const conformTo = (value: unknown, schema: Schema, path: string, unknown: string[]): unknown => {
  if (schema.type === 'object' && isObject(value)) return conformObject(value, schema, path, unknown)
  const { items } = schema
  if (schema.type !== 'array' || items === undefined || !isArray(value)) return value
  return value.map((item, index) => conformTo(item, items, `${path}[${String(index)}]`, unknown))
}

/**
 * An object with the fields that the schema has, and no others: nulls are left out, defaults filled in. No type is checked. Source: pruning and
 * defaulting of structural schemas in apiextensions. Pure.
 */
export const conform = (value: unknown): Conformed => {
  const unknownFields: string[] = []
  return { value: conformTo(value, whole, '', unknownFields), unknownFields: unknownFields.sort() }
}
