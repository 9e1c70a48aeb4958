import type { ObjectMeta, StoredObject } from '../api/object.ts'
import { formatAge } from './age.ts'

/** What of an object stands in its row beside the cells. */
export type IncludeObject = 'None' | 'Metadata' | 'Object'

/** The versions of tables and of metadata alone; they differ in nothing else. */
export type MetaVersion = 'meta.k8s.io/v1' | 'meta.k8s.io/v1beta1'

/** Source: metav1.PartialObjectMetadata. */
export interface PartialObjectMetadata {
  readonly kind: 'PartialObjectMetadata'
  readonly apiVersion: MetaVersion
  readonly metadata: ObjectMeta
}

export interface ColumnDefinition {
  readonly name: string
  readonly type: string
  readonly format: string
  readonly description: string
  /** Above 0: with `-o wide` only. */
  readonly priority: number
}

export interface TableRow {
  readonly cells: ReadonlyArray<string>
  readonly object: StoredObject | PartialObjectMetadata | null
}

interface Column extends Omit<ColumnDefinition, 'type' | 'format' | 'priority'> {
  readonly isWide?: boolean
  readonly cell: (object: StoredObject, nowMs: number) => string
}

/** Of anything: what is in a file need not be an object. */
const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined

const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

const cellLimit = 120

/** One line of a terminal, which nothing in it may control. */
const cellOf = (value: unknown): string => {
  if (typeof value !== 'string') return ''
  const text = value.slice(0, cellLimit).replace(/\p{Cc}+/gu, ' ')
  return value.length > cellLimit ? `${text}...` : text
}

const typesOf = ({ spec }: StoredObject): string =>
  [
    ...new Set(
      listOf(field(spec, 'services'))
        .slice(0, 256)
        .flatMap((service) => {
          const type = field(service, 'type')
          return typeof type === 'string' ? [type] : []
        }),
    ),
  ].join(',')

const conditionOf = ({ status }: StoredObject, type: string): unknown =>
  listOf(field(status, 'conditions')).find((condition) => field(condition, 'type') === type)

/** `True`, or why not. Source: the printer column of Grafana's DataPlaneService and of Kubernetes' APIService. */
const outcomeOf = (object: StoredObject, type: string): string => {
  const condition = conditionOf(object, type)
  const status = field(condition, 'status')
  const reason = field(condition, 'reason')
  if (typeof status !== 'string') return 'Unknown'
  return status === 'True' || typeof reason !== 'string' || reason === '' ? status : `${status} (${reason})`
}

/** What the first condition that is not met says. */
const messageOf = (object: StoredObject): unknown =>
  ['Accepted', 'Available']
    .map((type) => conditionOf(object, type))
    .filter((condition) => field(condition, 'status') !== 'True')
    .map((condition) => field(condition, 'message'))
    .find((message) => typeof message === 'string')

const columns: ReadonlyArray<Column> = [
  {
    name: 'Name',
    description: 'Name of the object, unique in the cluster.',
    cell: ({ metadata }) => metadata.name,
  },
  {
    name: 'Plugin',
    description: 'The plugin that answers.',
    cell: ({ spec }) => cellOf(field(spec, 'pluginID')),
  },
  {
    name: 'Services',
    description: 'Types of the services that the plugin offers.',
    cell: (object) => cellOf(typesOf(object)),
  },
  {
    name: 'Available',
    description: 'Whether the plugin answers, or why not.',
    cell: (object) => cellOf(outcomeOf(object, 'Available')),
  },
  {
    name: 'Age',
    description: 'How long ago the object was created.',
    cell: ({ metadata }, nowMs) => formatAge(metadata.creationTimestamp, nowMs),
  },
  {
    name: 'Group/Version',
    description: 'What is claimed below /apis.',
    isWide: true,
    cell: ({ spec }) => `${cellOf(field(spec, 'group'))}/${cellOf(field(spec, 'version'))}`,
  },
  {
    name: 'Accepted',
    description: 'Whether the object is routed, or why not.',
    isWide: true,
    cell: (object) => cellOf(outcomeOf(object, 'Accepted')),
  },
  {
    name: 'Message',
    description: 'What is wrong, if anything.',
    isWide: true,
    cell: (object) => cellOf(messageOf(object)),
  },
]

export const columnDefinitions: ReadonlyArray<ColumnDefinition> = columns.map(({ name, description, isWide }) => ({
  name,
  type: 'string',
  format: name === 'Name' ? 'name' : '',
  description,
  priority: isWide === true ? 1 : 0,
}))

export const partialOf = ({ metadata }: StoredObject, apiVersion: MetaVersion): PartialObjectMetadata => ({
  kind: 'PartialObjectMetadata',
  apiVersion,
  metadata,
})

const includedOf = (object: StoredObject, include: IncludeObject, apiVersion: MetaVersion): TableRow['object'] => {
  switch (include) {
    case 'None':
      return null
    case 'Metadata':
      return partialOf(object, apiVersion)
    case 'Object':
      return object
  }
}

/** An object as a row, whatever is in it. Source: metav1.TableRow. */
export const rowOf = (
  object: StoredObject,
  include: IncludeObject,
  apiVersion: MetaVersion,
  nowMs: number,
): TableRow => ({
  cells: columns.map(({ cell }) => cell(object, nowMs)),
  object: includedOf(object, include, apiVersion),
})
