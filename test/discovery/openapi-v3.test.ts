import test from 'ava'
import fc from 'fast-check'

import { dataPlaneServiceSchema } from '../../src/api/schema.ts'
import type { ClaimedGroupVersion, ClaimedRoute } from '../../src/discovery.ts'
import { claimedOpenApiV3, registryOpenApiV3 } from '../../src/discovery/openapi-v3.ts'
import { claimedApis } from '../../src/routing/claimed.ts'
import { service } from '../api/manifests.ts'
import { tableOf } from '../routing/tables.ts'
import { at, expectSound, fieldsOf, listOf, operationsOf, refsIn } from './openapi-checks.ts'

const base = '/apis/aggregation.grafana.app/v0alpha1/dataplaneservices'
const gvk = { group: 'aggregation.grafana.app', version: 'v0alpha1', kind: 'DataPlaneService' }
const prefix = '#/components/schemas/'

const everyType = [
  'admission',
  'conversion',
  'query',
  'stream',
  'route',
  'datasource-proxy',
  'settings',
  'health',
  'metrics',
]

const claimed = (...routes: ReadonlyArray<string>): ClaimedGroupVersion => ({
  group: 'p.example.com',
  version: 'v1',
  resources: [],
  routes: routes.map((text): ClaimedRoute => {
    const [method = '', path = ''] = text.split(' ')
    return { method, path, type: 'route', pluginID: 'p' }
  }),
})

const told = (...routes: ReadonlyArray<string>): ReadonlyArray<string> =>
  operationsOf(claimedOpenApiV3(claimed(...routes))).map(
    ({ path, method }) => `${method} ${path.replace('/apis/p.example.com/v1', '')}`,
  )

test('tells of all that the registry serves, by the names of Kubernetes', (t) => {
  const document = registryOpenApiV3(true)
  expectSound(t, document, prefix, document.components.schemas)
  const operations = operationsOf(document)
  t.deepEqual(
    operations.map(({ path, method, operation }) =>
      [method, path.replace(base, ''), operation['operationId'], operation['x-kubernetes-action']].join(' '),
    ),
    [
      'get  listAggregationGrafanaAppV0alpha1DataPlaneService list',
      'post  createAggregationGrafanaAppV0alpha1DataPlaneService post',
      'delete  deleteAggregationGrafanaAppV0alpha1CollectionDataPlaneService deletecollection',
      'get /{name} readAggregationGrafanaAppV0alpha1DataPlaneService get',
      'put /{name} replaceAggregationGrafanaAppV0alpha1DataPlaneService put',
      'delete /{name} deleteAggregationGrafanaAppV0alpha1DataPlaneService delete',
      'patch /{name} patchAggregationGrafanaAppV0alpha1DataPlaneService patch',
      'get /{name}/status readAggregationGrafanaAppV0alpha1DataPlaneServiceStatus get',
      'put /{name}/status replaceAggregationGrafanaAppV0alpha1DataPlaneServiceStatus put',
      'patch /{name}/status patchAggregationGrafanaAppV0alpha1DataPlaneServiceStatus patch',
    ],
  )
  for (const { operation } of operations) t.deepEqual(operation['x-kubernetes-group-version-kind'], gvk)
})

test('tells kubectl apply to send merge patches, and to have fields validated', (t) => {
  const patch = at(registryOpenApiV3(true).paths, `${base}/{name}`, 'patch')
  t.deepEqual(
    fieldsOf(at(patch, 'requestBody', 'content')).map(([type]) => type),
    ['application/apply-patch+yaml', 'application/json-patch+json', 'application/merge-patch+json'],
  )
  const names = listOf(at(patch, 'parameters')).map((parameter) => at(parameter, 'name'))
  t.deepEqual(names, ['dryRun', 'fieldManager', 'fieldValidation', 'force'])
})

test('tells of nothing that changes something where the registry is read-only', (t) => {
  const document = registryOpenApiV3(false)
  expectSound(t, document, prefix, document.components.schemas)
  t.deepEqual(
    operationsOf(document).map(({ path, method }) => `${method} ${path.replace(base, '')}`),
    ['get ', 'get /{name}', 'get /{name}/status'],
  )
  for (const ref of ['DataPlaneService', 'DataPlaneServiceList'])
    t.true(`app.grafana.aggregation.v0alpha1.${ref}` in document.components.schemas)
})

test('has the schema that objects are validated by, and a description of every field', (t) => {
  const { schemas } = registryOpenApiV3(true).components
  const schema = schemas['app.grafana.aggregation.v0alpha1.DataPlaneService']
  t.deepEqual(at(schema, 'x-kubernetes-group-version-kind'), [gvk])
  t.deepEqual(at(schema, 'properties', 'spec'), dataPlaneServiceSchema.properties?.['spec'])
  t.deepEqual(at(schema, 'properties', 'status'), dataPlaneServiceSchema.properties?.['status'])
  const undescribed = (value: unknown, path: string): ReadonlyArray<string> => [
    ...fieldsOf(at(value, 'properties')).flatMap(([name, field]) => [
      ...(at(field, 'description') === undefined ? [`${path}.${name}`] : []),
      ...undescribed(field, `${path}.${name}`),
      ...undescribed(at(field, 'items'), `${path}.${name}[]`),
    ]),
  ]
  t.deepEqual(
    Object.entries(schemas).flatMap(([name, of]) => undescribed(of, name)),
    [],
  )
})

test('tells of every route of every service type, of a datasource and of an app', (t) => {
  for (const pluginType of ['datasource', 'app']) {
    const object = service([...everyType.map((type) => ({ type })), { type: 'route', path: '/files/{id}/*' }], {
      pluginType,
    })
    const [apis] = claimedApis(tableOf(object))
    if (apis === undefined) return t.fail('nothing is claimed')
    const document = claimedOpenApiV3(apis)
    expectSound(t, document, prefix, document.components.schemas)
    const operations = operationsOf(document)
    const tags = new Set(operations.map(({ operation }) => String(operation['tags'])))
    t.deepEqual([...tags].toSorted(), everyType.toSorted())
    for (const { method, path, type } of apis.routes) {
      const own = operations.filter(({ path: told }) => told.endsWith(path.replace('*', '{path}')))
      t.true(
        own.some((found) => method === '*' || found.method === method.toLowerCase()),
        `${method} ${path}`,
      )
      t.true(
        own.every(({ operation }) => String(operation['tags']) === type),
        `${method} ${path}`,
      )
    }
  }
})

test('tells what is sent and answered, by service type', (t) => {
  const [apis] = claimedApis(tableOf(service(everyType.map((type) => ({ type })))))
  if (apis === undefined) return t.fail('nothing is claimed')
  const found = operationsOf(claimedOpenApiV3(apis)).filter(({ path }) => !path.includes('/connections/'))
  const refOf = (schema: unknown): string => {
    const [ref = ''] = refsIn(schema)
    return ref.slice(ref.lastIndexOf('.') + 1)
  }
  const lines = found.map(({ path, method, operation }) => {
    const types = fieldsOf(at(operation, 'responses', '200', 'content')).map(([type]) => type)
    const schema = at(operation, 'responses', '200', 'content', types[0] ?? '', 'schema')
    const body = at(operation, 'requestBody', 'content', 'application/json', 'schema')
    return `${method} ${path.split('/').slice(4).join('/')}: ${refOf(body)} > ${types.length > 1 ? '+' : ''}${types[0] ?? ''} ${refOf(schema)}`
  })
  const one = (line: string): boolean => !line.includes('/resources') && !line.includes('/proxy')
  t.deepEqual(lines.filter(one), [
    'post admission/mutate: AdmissionReview > application/json AdmissionReview',
    'post admission/validate: AdmissionReview > application/json AdmissionReview',
    'post conversion: ConversionReview > application/json ConversionReview',
    'get namespaces/{namespace}/datasources/{uid}/health:  > application/json HealthCheckResult',
    'post namespaces/{namespace}/datasources/{uid}/query: QueryDataRequest > +application/json QueryDataResponse',
    'post namespaces/{namespace}/datasources/{uid}/query-convert: QueryDataRequest > application/json ConvertedQueries',
    'get namespaces/{namespace}/datasources/{uid}/stream/{path}:  > +text/event-stream ',
    'post namespaces/{namespace}/datasources/{uid}/stream/{path}:  > application/json ',
    'post namespaces/{namespace}/queryconvert: QueryDataRequest > application/json ConvertedQueries',
    'get namespaces/{namespace}/settings:  > application/json PluginSettings',
    'get plugins/p/metrics:  > text/plain ',
  ])
})

test('spells any method out, and lets a claim by name go first', (t) => {
  t.deepEqual(
    told('* /a/*'),
    ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'].map((method) => `${method} /a/{path}`),
  )
  const document = claimedOpenApiV3({
    ...claimed('* /a'),
    routes: [
      { method: '*', path: '/a', type: 'route', pluginID: 'p' },
      { method: 'GET', path: '/a', type: 'health', pluginID: 'p' },
    ],
  })
  t.deepEqual(
    operationsOf(document).map(({ method, operation }) => `${method} ${String(operation['tags'])}`),
    ['get health', 'put route', 'post route', 'delete route', 'options route', 'patch route'],
  )
})

test('has one path for templates that differ in names, and a name for the rest that is free', (t) => {
  t.deepEqual(told('GET /a/{id}', 'POST /a/{key}', 'GET /b/{path}/*', 'GET /c/{rest...}', 'PUT /c/{id}'), [
    'get /a/{id}',
    'post /a/{id}',
    'get /b/{path}/{path_}',
    'get /c/{path}',
    'put /c/{path}',
  ])
})

test('is sound whatever is claimed', (t) => {
  const segment = fc.constantFrom(
    'a',
    'A',
    'a-b',
    'a_b',
    'aB',
    '{a}',
    '{b}',
    '{path}',
    '1',
    'namespaces',
    '{namespace}',
  )
  const path = fc
    .tuple(fc.uniqueArray(segment, { minLength: 1, maxLength: 5 }), fc.boolean())
    .map(([segments, isOpen]) => `/${[...segments, ...(isOpen ? ['*'] : [])].join('/')}`)
  const route = fc.tuple(fc.constantFrom('*', 'GET', 'POST', 'HEAD', 'OPTIONS'), path).map((parts) => parts.join(' '))
  fc.assert(
    fc.property(fc.array(route, { maxLength: 30 }), (routes) => {
      const document = claimedOpenApiV3(claimed(...routes))
      expectSound(t, document, prefix, document.components.schemas)
    }),
  )
})
