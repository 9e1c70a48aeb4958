import type { Schema } from '../api/schema.ts'

export interface GroupVersionKind {
  readonly group: string
  readonly version: string
  readonly kind: string
}

/** A schema of either version of OpenAPI, but that references are names still. */
export interface OpenApiSchema extends Omit<Schema, 'properties' | 'additionalProperties' | 'items'> {
  /** Name of a definition; nothing but a description may stand beside it. Shape: `io.k8s.apimachinery.pkg.apis.meta.v1.Status`. */
  readonly ref?: string
  readonly properties?: Readonly<Record<string, OpenApiSchema>>
  readonly additionalProperties?: OpenApiSchema
  readonly items?: OpenApiSchema
  /** Not in version 2. */
  readonly oneOf?: ReadonlyArray<OpenApiSchema>
  readonly 'x-kubernetes-group-version-kind'?: ReadonlyArray<GroupVersionKind>
  readonly 'x-kubernetes-map-type'?: 'atomic'
  readonly 'x-kubernetes-patch-merge-key'?: string
  readonly 'x-kubernetes-patch-strategy'?: 'merge'
}

/** By name. */
export type Definitions = Readonly<Record<string, OpenApiSchema>>

/** Those in a path are required, those of a query are not. */
export interface Parameter {
  readonly in: 'path' | 'query'
  readonly name: string
  readonly description: string
  readonly type: 'string' | 'integer' | 'boolean'
}

/** By media type. `{}` as a schema: anything. */
export type Content = Readonly<Record<string, OpenApiSchema>>

export interface Body {
  readonly isRequired: boolean
  readonly content: Content
}

export interface Answer {
  readonly description: string
  readonly content: Content
}

export interface Operation {
  /** Unlike all others. */
  readonly id: string
  readonly tag: string
  readonly description: string
  readonly parameters?: ReadonlyArray<Parameter>
  readonly body?: Body
  /** By status code, or `default`. */
  readonly answers: Readonly<Record<string, Answer>>
  /** The word of Kubernetes for what it does. Shape: `deletecollection`. */
  readonly action?: string
  /** What it does that to. */
  readonly kind?: GroupVersionKind
}

export const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'] as const
export type Method = (typeof methods)[number]

export interface PathItem {
  readonly parameters: ReadonlyArray<Parameter>
  readonly operations: Readonly<Partial<Record<Method, Operation>>>
}

/** The operations of a path in the order of `methods`, each told in its own way. */
export const mapOperations = <A>(
  { operations }: PathItem,
  tell: (operation: Operation) => A,
): Readonly<Partial<Record<Method, A>>> =>
  Object.fromEntries(
    methods.flatMap((method) => {
      const operation = operations[method]
      return operation === undefined ? [] : [[method, tell(operation)]]
    }),
  )

export const mapValues = <A, B>(
  record: Readonly<Record<string, A>>,
  change: (value: A) => B,
): Readonly<Record<string, B>> => Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]))

/** An API, told to no version of OpenAPI yet. */
export interface Api {
  readonly title: string
  readonly version: string
  readonly paths: ReadonlyArray<readonly [path: string, item: PathItem]>
  readonly definitions: Definitions
}

/** The same in several media types. */
export const contentOf = (schema: OpenApiSchema, types: ReadonlyArray<string>): Content =>
  Object.fromEntries(types.map((type) => [type, schema]))

/** A text as a part of names. Shape: `aggregation.grafana.app` is `AggregationGrafanaApp`. */
export const toPascal = (text: string): string =>
  text
    .split(/[^A-Za-z0-9]+/)
    .map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)
    .join('')
