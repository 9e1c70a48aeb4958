import { dataPlaneServiceSchema, type Schema } from '../../api/schema.ts'

export interface ListKey {
  readonly name: string
  /** Stands in for a key that an item leaves out. */
  readonly default: unknown
}

/** What ownership is told of: how finely a value is owned, and what its parts are called. */
export type FieldType =
  /** Owned whole. */
  | { readonly kind: 'scalar'; readonly of: 'string' | 'number' | 'boolean' }
  /** Owned whole, whatever is in it. */
  | { readonly kind: 'atomic'; readonly of: StructType }
  | StructType
  | { readonly kind: 'map'; readonly values: FieldType }
  | { readonly kind: 'list'; readonly keys: ReadonlyArray<ListKey>; readonly items: FieldType }
  | { readonly kind: 'set'; readonly items: FieldType }
  | { readonly kind: 'array'; readonly items: FieldType }
  /** The server's own: nobody's. */
  | { readonly kind: 'untracked' }

export interface StructType {
  readonly kind: 'struct'
  readonly fields: ReadonlyMap<string, FieldType>
  /** Nobody's as a whole: only what is in it is owned. */
  readonly isUntracked?: true
}

const text: FieldType = { kind: 'scalar', of: 'string' }
const flag: FieldType = { kind: 'scalar', of: 'boolean' }
const untracked: FieldType = { kind: 'untracked' }

const struct = (fields: Readonly<Record<string, FieldType>>): StructType => ({
  kind: 'struct',
  fields: new Map(Object.entries(fields)),
})

const byName = (a: ListKey, b: ListKey): number => (a.name < b.name ? -1 : 1)

const listOf = (schema: Schema): FieldType => {
  const items = typeOf(schema.items ?? {})
  switch (schema['x-kubernetes-list-type']) {
    case 'map': {
      const names = schema['x-kubernetes-list-map-keys'] ?? []
      const keys = names.map((name) => ({ name, default: schema.items?.properties?.[name]?.default }))
      return { kind: 'list', keys: keys.toSorted(byName), items }
    }
    case 'set':
      return { kind: 'set', items }
    default:
      return { kind: 'array', items }
  }
}

const typeOf = (schema: Schema): FieldType => {
  switch (schema.type) {
    case 'object':
      if (schema.additionalProperties !== undefined) return { kind: 'map', values: typeOf(schema.additionalProperties) }
      return struct(Object.fromEntries(Object.entries(schema.properties ?? {}).map(([k, v]) => [k, typeOf(v)])))
    case 'array':
      return listOf(schema)
    case 'integer':
    case 'number':
      return { kind: 'scalar', of: 'number' }
    case 'boolean':
      return flag
    default:
      return text
  }
}

const texts: FieldType = { kind: 'map', values: text }

/** Source: the structured schema of ObjectMeta in Kubernetes' OpenAPI, and stripMetaManager of apimachinery. */
const metadata: StructType = {
  ...struct({
    name: untracked,
    namespace: untracked,
    generateName: text,
    selfLink: untracked,
    uid: untracked,
    resourceVersion: untracked,
    generation: untracked,
    creationTimestamp: untracked,
    deletionTimestamp: untracked,
    deletionGracePeriodSeconds: untracked,
    managedFields: untracked,
    labels: texts,
    annotations: texts,
    finalizers: { kind: 'set', items: text },
    ownerReferences: {
      kind: 'list',
      keys: [{ name: 'uid', default: undefined }],
      items: {
        kind: 'atomic',
        of: struct({
          apiVersion: text,
          kind: text,
          name: text,
          uid: text,
          controller: flag,
          blockOwnerDeletion: flag,
        }),
      },
    },
  }),
  isUntracked: true,
}

const wholeType = typeOf(dataPlaneServiceSchema)

/** A DataPlaneService: its schema, with the metadata that every object has. */
export const objectType: StructType = {
  kind: 'struct',
  isUntracked: true,
  fields: new Map<string, FieldType>([
    ...(wholeType.kind === 'struct' ? wholeType.fields : []),
    ['apiVersion', untracked],
    ['kind', untracked],
    ['metadata', metadata],
  ]),
}
