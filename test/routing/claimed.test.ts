import test from 'ava'

import type { ClaimedApis, ClaimedResource } from '../../src/discovery.ts'
import { TE } from '../../src/fp.ts'
import { claimedApis } from '../../src/routing/claimed.ts'
import { compile, ownTable, recompile } from '../../src/routing/table.ts'
import { service } from '../api/manifests.ts'
import { definitions, routed, tableOf } from './tables.ts'

/** In a line. Shape: `datasources/query* create`; the star: in a namespace. */
const tell = ({ resource, subresource, namespaced, verbs }: ClaimedResource): string =>
  `${resource}${subresource === undefined ? '' : `/${subresource}`}${namespaced ? '*' : ''} ${verbs.join(',')}`

const resourcesOf = (apis: ClaimedApis): ReadonlyArray<string> =>
  apis.flatMap(({ resources }) => resources.map((resource) => tell(resource)))

const all = 'create,delete,get,patch,update'

const cases: ReadonlyArray<
  readonly [what: string, services: ReadonlyArray<unknown>, resources: ReadonlyArray<string>]
> = [
  [
    'what is asked of an instance',
    [{ type: 'query' }, { type: 'health' }],
    ['connections/health* get', 'connections/query* create', 'datasources/health* get', 'datasources/query* create'],
  ],
  ['an action of the whole cluster', [{ type: 'admission' }], ['admission/mutate create', 'admission/validate create']],
  ['an instance that is named by its route', [{ type: 'metrics' }], ['plugins/metrics get']],
  ['what is no instance', [{ type: 'settings' }], ['settings* get']],
  [
    'several methods of one path, and several paths of one resource',
    [
      { type: 'route', method: 'GET', path: '/reports' },
      { type: 'route', method: 'POST', path: '/reports' },
      { type: 'route', method: 'DELETE', path: '/reports/{id}' },
      { type: 'route', method: 'PUT', path: '/reports/{id}' },
      { type: 'route', method: 'PATCH', path: '/reports/{id}/export' },
    ],
    ['reports* create,delete,get,update', 'reports/export* patch'],
  ],
  ['any method', [{ type: 'route', path: '/files/*' }], [`files* ${all}`]],
  ['below an instance', [{ type: 'route', path: '/files/{id}/raw/*' }], [`files/raw* ${all}`]],
  [
    'nothing of what has no name',
    [
      { type: 'route', path: '/{any}/x' },
      { type: 'route', path: '/*' },
    ],
    [],
  ],
  ['nothing of a method without a verb', [{ type: 'route', method: 'OPTIONS', path: '/files' }], []],
]
for (const [what, services, resources] of cases) {
  test(`tells of ${what}`, (t) => {
    t.deepEqual(resourcesOf(claimedApis(tableOf(service(services)))), resources)
  })
}

test('tells which routes there are, and whose', (t) => {
  const [claimed] = claimedApis(tableOf(routed(['POST /b', 'GET /a'])))
  t.deepEqual(claimed?.routes, [
    { method: 'GET', path: '/namespaces/{namespace}/a', type: 'route', pluginID: 'p' },
    { method: 'POST', path: '/namespaces/{namespace}/b', type: 'route', pluginID: 'p' },
  ])
})

test('sorts by group, then by version as Kubernetes prefers them', (t) => {
  const preferred = ['v10', 'v2', 'v1', 'v11beta2', 'v10beta3', 'v3beta1', 'v12alpha1', 'v11alpha2', 'foo1', 'foo10']
  const services = preferred
    .toSorted()
    .flatMap((version) =>
      ['b.example.com', 'a.example.com'].map((group) =>
        service(undefined, { name: `${version}.${group}`, group, version }),
      ),
    )
  const apis = claimedApis(tableOf(...services))
  t.deepEqual(
    apis.map(({ group, version }) => `${group}/${version}`),
    ['a.example.com', 'b.example.com'].flatMap((group) => preferred.map((version) => `${group}/${version}`)),
  )
})

test('tells nothing of what we answer ourselves', (t) => {
  const own = ownTable('registry', [
    { method: 'GET', path: '/dataplaneservices', handle: () => TE.left({ _tag: 'Cancelled' }) },
  ])
  t.deepEqual(claimedApis(own), [])
  t.is(claimedApis(compile([service()], definitions, own)).length, 1)
})

test('builds anew what a change has touched, and nothing else', (t) => {
  const made = (name: string, services?: unknown) => service(services, { name, group: `${name}.example.com` })
  const [a, b] = [made('a'), made('b')]
  const before = compile([a, b], definitions)
  const { table } = recompile(before, { gone: [b], come: [made('b', [{ type: 'health' }])] }, definitions)
  const [old, young] = [claimedApis(before), claimedApis(table)]
  t.is(claimedApis(before), old)
  t.is(young[0], old[0])
  t.not(young[1], old[1])
  t.true(resourcesOf(young).includes('datasources/health* get'))
})
