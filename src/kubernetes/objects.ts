import type { Collection, KubernetesObject } from '../kubernetes.ts'

export type Fields = Readonly<Record<string, unknown>>

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** A field that is a text, maybe an empty one. */
export const textOf = (fields: Fields, name: string): string | undefined => {
  const value = fields[name]
  return typeof value === 'string' ? value : undefined
}

const isObject = (value: Fields): value is KubernetesObject & Fields => {
  const { metadata } = value
  if (!isFields(metadata) || !isText(metadata.name)) return false
  return ['namespace', 'uid', 'resourceVersion'].every((name) =>
    ['string', 'undefined'].includes(typeof metadata[name]),
  )
}

/**
 * An object as an apiserver gave it, without its managedFields: often half of its size, and nobody asks for them. `undefined`: it is none.
 */
export const toObject = (value: unknown): KubernetesObject | undefined => {
  if (!isFields(value) || !isObject(value)) return undefined
  if (!('managedFields' in value.metadata)) return value
  const { managedFields: _, ...metadata } = value.metadata
  return { ...value, metadata }
}

/** Shape: `default/a`; `a` for what lies in no namespace. */
export const keyOf = ({ metadata: { name, namespace } }: KubernetesObject): string =>
  namespace === undefined || namespace === '' ? name : `${namespace}/${name}`

/** What the objects of a collection say that they are of. Shape: `apps/v1`; `v1` for the core group. */
export const apiVersionOf = ({ path }: Collection): string | undefined => {
  const [, root, first, second] = path.split('/')
  return root === 'apis' && second !== undefined ? `${String(first)}/${second}` : first
}
