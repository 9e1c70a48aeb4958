import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import test from 'ava'
import { parse } from 'yaml'

import {
  apiVersion,
  categories,
  group,
  kind,
  listKind,
  resource,
  shortNames,
  singular,
  version,
} from '../../src/api/dataplane-service.ts'
import { dataPlaneServiceSchema, type Schema } from '../../src/api/schema.ts'
import { parseDataPlaneService } from '../../src/api/validation.ts'
import { E } from '../../src/fp.ts'
import { columnDefinitions } from '../../src/registry/table.ts'
import { root } from './_run.ts'

const textOf = (file: string): Promise<string> => readFile(join(root, 'examples', file), 'utf8')

interface Column {
  readonly name: string
  readonly priority?: number
  readonly jsonPath: string
}

interface Definition {
  readonly metadata: unknown
  readonly spec: Readonly<Record<string, unknown>> & {
    readonly versions: ReadonlyArray<
      Readonly<Record<string, unknown>> & {
        readonly additionalPrinterColumns: ReadonlyArray<Column>
        readonly schema: { readonly openAPIV3Schema: Schema }
      }
    >
  }
}

const text = await textOf('kubernetes/crd.yml')
const { metadata, spec } = parse(text) as Definition
const [told] = spec.versions

test('defines the resource that the registry serves, with its schema', (t) => {
  t.deepEqual(metadata, { name: `${resource}.${group}` })
  t.is(spec['group'], group)
  t.is(spec['scope'], 'Cluster')
  t.deepEqual(spec['names'], {
    kind,
    listKind,
    plural: resource,
    singular,
    shortNames: [...shortNames],
    categories: [...categories],
  })
  t.like(told, { name: version, served: true, storage: true, subresources: { status: {} } })
  t.deepEqual(told?.schema.openAPIV3Schema, dataPlaneServiceSchema)
})

test('reads the same to kubectl, whose YAML has more words for true and false', (t) => {
  t.deepEqual(parse(text, { version: '1.1' }), parse(text))
})

test('has the columns of the table', (t) => {
  const [, ...columns] = columnDefinitions
  t.deepEqual(
    told?.additionalPrinterColumns.map(({ name, priority = 0 }) => [name, priority]),
    columns.flatMap(({ name, priority }) => name.split('/').map((one) => [one, priority])),
  )
})

test('has a schema that an apiserver takes', (t) => {
  t.deepEqual(dataPlaneServiceSchema.properties?.['metadata'], { type: 'object' })
  const check = (schema: Schema, path: string): void => {
    t.truthy(schema.type, path)
    for (const [name, field] of Object.entries(schema.properties ?? {})) check(field, `${path}.${name}`)
    for (const name of schema.required ?? []) t.true(Object.hasOwn(schema.properties ?? {}, name), `${path}.${name}`)
    const { items } = schema
    if (items === undefined) return
    check(items, `${path}[]`)
    for (const key of schema['x-kubernetes-list-map-keys'] ?? []) {
      const isGiven = items.required?.includes(key) === true || items.properties?.[key]?.default !== undefined
      t.true(isGiven, `${path}[].${key} is a key, and so required or given by default`)
    }
  }
  check(dataPlaneServiceSchema, '')
})

test('has a manifest to apply that is valid', async (t) => {
  const object: unknown = parse(await textOf('datasource.yml'))
  t.true(E.isRight(parseDataPlaneService(object)))
  t.like(object, { apiVersion, kind, spec: { pluginID: 'testdata' } })
})
