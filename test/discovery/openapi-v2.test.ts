import { fileURLToPath } from 'node:url'

import { loadSync, type ServiceDefinition } from '@grpc/proto-loader'
import test from 'ava'

import { encodeOpenApiV2 } from '../../src/discovery/openapi-v2-protobuf.ts'
import { registryOpenApiV2 } from '../../src/discovery/openapi-v2.ts'
import { registryOpenApiV3 } from '../../src/discovery/openapi-v3.ts'
import { at, expectSound, fieldsOf, listOf, operationsOf } from './openapi-checks.ts'

const { Read } = loadSync(fileURLToPath(new URL('openapi-v2.proto', import.meta.url)), { longs: Number })[
  'openapi.v2.Reader'
] as ServiceDefinition

type Read = (value: unknown) => unknown

const asIs: Read = (value) => value
const any: Read = (value) => JSON.parse(String(at(value, 'yaml'))) as unknown
const all =
  (read: Read): Read =>
  (value) =>
    listOf(value).map(read)
const named =
  (key: string, read: Read): Read =>
  (value) =>
    Object.fromEntries(listOf(at(value, key)).map((item) => [String(at(item, 'name')), read(at(item, 'value'))]))
const inside =
  (key: string, read: Read): Read =>
  (value) =>
    read(at(value, key))

/** A message as the JSON that it was made of. By field: what the JSON calls it, and how it is read. */
const reader =
  (fields: Readonly<Record<string, readonly [string, Read]>>): Read =>
  (value) =>
    Object.fromEntries(
      fieldsOf(value).flatMap(([field, inner]) => {
        if (field === 'vendorExtension')
          return listOf(inner).map((item) => [String(at(item, 'name')), any(at(item, 'value'))] as const)
        const [key, read] = fields[field] ?? [field, asIs]
        return [[key, read(inner)] as const]
      }),
    )

const schema: Read = (value) => readSchema(value)
const readSchema = reader({
  ref: ['$ref', asIs],
  default: ['default', any],
  enum: ['enum', all(any)],
  additionalProperties: ['additionalProperties', inside('schema', schema)],
  type: ['type', (value) => listOf(at(value, 'value'))[0]],
  items: ['items', (value) => schema(listOf(at(value, 'schema'))[0])],
  properties: ['properties', named('additionalProperties', schema)],
})
const parameter: Read = (value) => {
  const [[kind, found] = []] = fieldsOf(at(value, 'parameter'))
  if (kind === 'bodyParameter') return reader({ schema: ['schema', schema] })(found)
  const [[, simple] = []] = fieldsOf(found)
  return simple
}
const response = inside('response', reader({ schema: ['schema', inside('schema', schema)] }))
const operation = reader({
  parameters: ['parameters', all(parameter)],
  responses: ['responses', named('responseCode', response)],
})
const pathItem = reader({
  ...Object.fromEntries(['get', 'put', 'post', 'delete', 'patch'].map((method) => [method, [method, operation]])),
  parameters: ['parameters', all(parameter)],
})
const read = (bytes: Uint8Array): unknown =>
  reader({
    paths: ['paths', named('path', pathItem)],
    definitions: ['definitions', named('additionalProperties', schema)],
  })(Read?.requestDeserialize(Buffer.from(bytes)))

const gvk = { group: 'aggregation.grafana.app', version: 'v0alpha1', kind: 'DataPlaneService' }
const one = '/apis/aggregation.grafana.app/v0alpha1/dataplaneservices/{name}'

test('tells in version 2 the same as in version 3', (t) => {
  for (const isWritable of [true, false]) {
    const [older, newer] = [registryOpenApiV2(isWritable), registryOpenApiV3(isWritable)]
    expectSound(t, older, '#/definitions/', older.definitions)
    t.deepEqual(
      operationsOf(older).map(({ path, method, operation: { operationId } }) => [path, method, operationId]),
      operationsOf(newer).map(({ path, method, operation: { operationId } }) => [path, method, operationId]),
    )
    t.deepEqual(Object.keys(older.definitions), Object.keys(newer.components.schemas))
  }
})

test('has what kubectl looks for', (t) => {
  const { paths, definitions } = registryOpenApiV2(true)
  const definition = definitions['app.grafana.aggregation.v0alpha1.DataPlaneService']
  t.deepEqual(at(definition, 'x-kubernetes-group-version-kind'), [gvk])
  const patch = at(paths, one, 'patch')
  t.deepEqual(at(patch, 'x-kubernetes-group-version-kind'), gvk)
  t.true(listOf(at(patch, 'parameters')).some((found) => at(found, 'in') === 'query' && at(found, 'name') === 'dryRun'))
  t.false(listOf(at(patch, 'consumes')).includes('application/strategic-merge-patch+json'))
})

test('loses nothing in protobuf', (t) => {
  for (const isWritable of [true, false]) {
    const document = registryOpenApiV2(isWritable)
    t.deepEqual(read(encodeOpenApiV2(document)), JSON.parse(JSON.stringify(document)))
  }
})
