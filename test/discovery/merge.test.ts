import test from 'ava'
import fc from 'fast-check'

import { groupDiscoveryList } from '../../src/discovery/aggregated.ts'
import { group, groupList, resourceList } from '../../src/discovery/legacy.ts'
import { mergeOpenApiV2, mergeOpenApiV3, mergeOpenApiV3Index } from '../../src/discovery/merged-openapi.ts'
import { registryOpenApiV2 } from '../../src/discovery/openapi-v2.ts'
import { claimedOpenApiV3 } from '../../src/discovery/openapi-v3.ts'
import { ofClaimed, ofRegistry } from '../../src/discovery/ours.ts'
import { claimedApis } from '../../src/routing/claimed.ts'
import { service } from '../api/manifests.ts'
import { tableOf } from '../routing/tables.ts'
import { claimed } from './_documents.ts'

const [first] = claimed
if (first === undefined) throw new Error('expected a claim')
const all = [claimed.map(ofClaimed)]
const registry = ofRegistry(false)

const version = (name: string, of = 'p.example.com') => ({ groupVersion: `${of}/${name}`, version: name })
const legacyGroup = (name: string, versions: ReadonlyArray<string>, rest: object = {}) => ({
  name,
  versions: versions.map((one) => version(one, name)),
  preferredVersion: version(versions[0] ?? '', name),
  ...rest,
})
const list = (...groups: ReadonlyArray<unknown>) => ({ kind: 'APIGroupList', apiVersion: 'v1', groups })
const ourGroup = legacyGroup('p.example.com', ['v2', 'v1'])

const lists: ReadonlyArray<readonly [what: string, theirs: unknown, groups: ReadonlyArray<unknown>]> = [
  ['ours alone where there is nothing', undefined, [ourGroup]],
  ['ours alone beside other JSON', { next: '/apis', groups: [legacyGroup('apps', ['v1'])] }, [ourGroup]],
  [
    'their groups in their order, then ours',
    list(legacyGroup('z', ['v1'], { extra: { a: 1 } }), legacyGroup('a', ['v1'])),
    [legacyGroup('z', ['v1'], { extra: { a: 1 } }), legacyGroup('a', ['v1']), ourGroup],
  ],
  [
    'one group of two, with the versions of both, theirs preferred',
    list(legacyGroup('p.example.com', ['v1', 'v1beta1'], { extra: 1 })),
    [{ ...legacyGroup('p.example.com', ['v1', 'v1beta1', 'v2']), extra: 1 }],
  ],
  ['each group once', list(legacyGroup('a', ['v1']), legacyGroup('a', ['v2'])), [legacyGroup('a', ['v1']), ourGroup]],
  [
    'what can be read of their groups',
    list(
      null,
      3,
      [],
      { name: 7, versions: [] },
      { name: '' },
      { ...legacyGroup('a', ['v1']), preferredVersion: 3, serverAddressByClientCIDRs: [{ clientCIDR: 1 }] },
      { name: 'b', versions: [{ version: 'v1' }, 'x', { ...version('v2', 'b'), odd: true }] },
    ),
    [
      legacyGroup('a', ['v1']),
      {
        name: 'b',
        versions: [{ ...version('v2', 'b'), odd: true }],
        preferredVersion: { ...version('v2', 'b'), odd: true },
      },
      ourGroup,
    ],
  ],
]
for (const [what, theirs, groups] of lists) {
  test(`lists ${what}`, (t) => {
    t.deepEqual(groupList(all, theirs)['groups'], groups)
  })
}

test('tells of one group with the versions of both', (t) => {
  const ours = claimed.map(ofClaimed)
  const theirs = { kind: 'APIGroup', apiVersion: 'v1', ...legacyGroup('p.example.com', ['v1beta1']) }
  t.deepEqual(group(ours, theirs), {
    kind: 'APIGroup',
    apiVersion: 'v1',
    ...legacyGroup('p.example.com', ['v1beta1', 'v2', 'v1']),
  })
  for (const other of [undefined, { ...theirs, name: 'q' }, { ...theirs, kind: 'Status' }, [theirs]]) {
    t.deepEqual(group(ours, other), { kind: 'APIGroup', apiVersion: 'v1', ...ourGroup })
  }
})

const [reports] = claimedApis(
  tableOf(
    service([
      { type: 'route', method: 'POST', path: '/reports' },
      { type: 'route', method: 'GET', path: '/reports/{id}/raw' },
    ]),
  ),
)
if (reports === undefined) throw new Error('expected a claim')
const ours = ofClaimed(reports)
const report = {
  name: 'reports',
  singularName: 'report',
  namespaced: true,
  kind: 'Report',
  verbs: ['get', 'list'],
  shortNames: ['rp'],
  odd: 1,
}
const raw = { name: 'reports/raw', singularName: '', namespaced: true, kind: 'Raw', verbs: ['get'] }
const resources = (...given: ReadonlyArray<unknown>) => ({
  kind: 'APIResourceList',
  groupVersion: 'p.example.com/v1',
  resources: given,
})

test('lists the resources of both, and completes what both have', (t) => {
  const theirs = resources({ ...report, name: 'others' }, report, { name: 'bad', verbs: 3 })
  t.deepEqual(resourceList(ours, theirs), {
    apiVersion: 'v1',
    ...resources({ ...report, name: 'others' }, { ...report, verbs: ['create', 'get', 'list'] }, raw),
  })
  const alone = {
    apiVersion: 'v1',
    ...resources(
      { name: 'reports', singularName: 'reports', namespaced: true, kind: 'Reports', verbs: ['create'] },
      raw,
    ),
  }
  t.deepEqual(resourceList(ours, undefined), alone)
  t.deepEqual(resourceList(ours, { ...theirs, groupVersion: 'p.example.com/v2' }), alone)
})

test('tells of its own objects what is true, whatever others tell of them', (t) => {
  const own = {
    name: 'dataplaneservices',
    singularName: 'dataplaneservice',
    namespaced: false,
    kind: 'DataPlaneService',
    verbs: ['get', 'list', 'watch'],
    shortNames: ['dps'],
    categories: ['dataplane'],
  }
  const groupVersion = 'aggregation.grafana.app/v0alpha1'
  const theirs = { ...resources({ ...own, verbs: ['create'] }, report), groupVersion }
  const merged = resourceList(registry, theirs)['resources'] as ReadonlyArray<Record<string, unknown>>
  t.like(merged[0], own)
  t.regex(String(merged[0]?.['storageVersionHash']), /^[A-Za-z0-9+/]{11}=$/)
  t.deepEqual(merged.slice(1), [
    report,
    { name: 'dataplaneservices/status', singularName: '', namespaced: false, kind: 'DataPlaneService', verbs: ['get'] },
  ])
  const writable = resourceList(ofRegistry(true), undefined)['resources'] as ReadonlyArray<Record<string, unknown>>
  t.deepEqual(
    writable.map(({ verbs }) => verbs),
    [
      ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
      ['get', 'patch', 'update'],
    ],
  )
})

const kindOf = (kind: string) => ({ group: 'p.example.com', version: 'v1', kind })
const query = (resource: string) => ({
  resource,
  responseKind: { group: '', version: '', kind: '' },
  scope: 'Namespaced',
  singularResource: '',
  verbs: [],
  subresources: [{ subresource: 'query', responseKind: kindOf('Query'), verbs: ['create'] }],
})
const discovered = (...items: ReadonlyArray<unknown>) => ({ kind: 'APIGroupDiscoveryList', items })

test('tells in one document what there is', (t) => {
  const [, v1] = (groupDiscoveryList('v2', all, undefined)['items'] as [{ versions: ReadonlyArray<unknown> }])[0]
    .versions
  t.deepEqual(v1, { version: 'v1', freshness: 'Current', resources: ['connections', 'datasources'].map(query) })
  const beta = groupDiscoveryList('v2beta1', all, undefined)
  t.is(beta['apiVersion'], 'apidiscovery.k8s.io/v2beta1')
  t.deepEqual({ ...beta, apiVersion: 'apidiscovery.k8s.io/v2' }, groupDiscoveryList('v2', all, undefined))
})

test('merges their group, version, resource and subresources with ours, in one document', (t) => {
  const crud = {
    resource: 'datasources',
    responseKind: kindOf('DataSource'),
    scope: 'Namespaced',
    singularResource: 'datasource',
    verbs: ['get', 'list'],
    subresources: [{ subresource: 'status', responseKind: kindOf('DataSource'), verbs: ['get'], odd: 1 }],
    odd: 2,
  }
  const apps = { metadata: { name: 'apps' }, versions: [{ version: 'v1', freshness: 'Stale', resources: [] }], odd: 3 }
  const theirs = discovered(
    apps,
    {
      metadata: { name: 'p.example.com' },
      versions: [{ version: 'v1', freshness: 'Stale', resources: [crud], odd: 4 }],
    },
    { metadata: { name: 'apps' }, versions: [] },
    { metadata: 3 },
    {
      metadata: { name: 'bad' },
      versions: [{ version: 'v1', resources: [{ resource: 'x', verbs: 'all' }] }, { freshness: 1 }],
    },
  )
  const items = groupDiscoveryList('v2', all, theirs)['items'] as ReadonlyArray<{ versions: ReadonlyArray<unknown> }>
  t.deepEqual(items[0], apps)
  t.deepEqual(items[1]?.versions[0], {
    version: 'v1',
    freshness: 'Current',
    odd: 4,
    resources: [
      { ...crud, subresources: [...crud.subresources, ...query('datasources').subresources] },
      query('connections'),
    ],
  })
  t.deepEqual(items[2], { metadata: { name: 'bad' }, versions: [{ version: 'v1', resources: [] }] } as never)
  t.is(items.length, 3)
})

test('unites paths and definitions of OpenAPI, those of Kubernetes itself being theirs', (t) => {
  const v3 = claimedOpenApiV3(reports)
  const [path = ''] = Object.keys(v3.paths)
  const theirs = {
    openapi: '3.0.0',
    info: { title: 'theirs' },
    odd: 1,
    paths: { '/x': { get: {} }, [path]: { get: { theirs: true }, post: 1 }, '/bad': 3 },
    components: { securitySchemes: {}, schemas: { Theirs: {}, 'io.k8s.x': { theirs: true } } },
  }
  const merged = mergeOpenApiV3({ ...v3, components: { schemas: { Ours: {}, 'io.k8s.x': {} } } }, theirs)
  t.like(merged, { odd: 1, info: { title: 'theirs' } })
  t.deepEqual(merged['paths'], {
    ...v3.paths,
    '/x': { get: {} },
    [path]: { get: { theirs: true }, ...(v3.paths[path] as object) },
  })
  t.deepEqual(merged['components'], {
    securitySchemes: {},
    schemas: { Theirs: {}, Ours: {}, 'io.k8s.x': { theirs: true } },
  })
  t.deepEqual(mergeOpenApiV3(v3, { ...theirs, openapi: undefined }), { ...v3 })

  const v2 = registryOpenApiV2(false)
  const united = mergeOpenApiV2(v2, { swagger: '2.0', paths: { '/x': {} }, definitions: { Theirs: {} } })
  t.deepEqual(united, {
    swagger: '2.0',
    paths: { '/x': {}, ...v2.paths },
    definitions: { Theirs: {}, ...v2.definitions },
  })
  t.deepEqual(mergeOpenApiV2(v2, { openapi: '3.0.0' }), { ...v2 })
})

test('keeps in the index of OpenAPI what the next handler wants to be asked by', (t) => {
  const listed = [{ groupVersion: 'p.example.com/v1', hash: 'H' }]
  const url = (key: string, query: string) => ({ [key]: { serverRelativeURL: `/openapi/v3/${key}?${query}` } })
  t.deepEqual(mergeOpenApiV3Index(listed, undefined), { paths: url('apis/p.example.com/v1', 'hash=H') })
  const theirs = {
    paths: { ...url('apis/apps/v1', 'hash=A'), ...url('apis/p.example.com/v1', 'hash=B'), x: { serverRelativeURL: 1 } },
  }
  t.deepEqual(mergeOpenApiV3Index(listed, theirs), {
    paths: { ...url('apis/apps/v1', 'hash=A'), ...url('apis/p.example.com/v1', 'hash=B&dataplane=H') },
  })
})

const name = fc.constantFrom('p.example.com', 'apps', 'a', 'reports', 'datasources', 'query', 'v1', 'v2', '')
const text = fc.oneof({ weight: 9, arbitrary: name }, { weight: 1, arbitrary: fc.jsonValue() })
const verbs = fc.oneof(fc.array(fc.constantFrom('get', 'list', 'x')), fc.constant(null))
const objects = (shape: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 9, arbitrary: fc.record(shape, { requiredKeys: [] }) }, { weight: 1, arbitrary: fc.jsonValue() })
const many = (item: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => fc.array(item, { maxLength: 4 })
const kind = objects({ group: text, version: text, kind: text })

const legacy = fc.record({
  kind: fc.constantFrom('APIGroupList', 'APIGroup', 'APIResourceList'),
  name: text,
  groupVersion: fc.constantFrom('p.example.com/v1', 'x/v1'),
  versions: many(objects({ groupVersion: text, version: text })),
  groups: many(
    objects({
      name: text,
      versions: many(objects({ groupVersion: text, version: text, odd: text })),
      preferredVersion: kind,
    }),
  ),
  resources: many(objects({ name: text, kind: text, namespaced: fc.boolean(), verbs, odd: text })),
})
const aggregated = fc.record({
  kind: fc.constant('APIGroupDiscoveryList'),
  items: many(
    objects({
      metadata: objects({ name: text }),
      versions: many(
        objects({
          version: text,
          freshness: text,
          resources: many(
            objects({
              resource: text,
              responseKind: kind,
              verbs,
              subresources: many(objects({ subresource: text, responseKind: kind, verbs })),
            }),
          ),
        }),
      ),
    }),
  ),
})
const openApi = fc.record({
  swagger: fc.constant('2.0'),
  openapi: fc.constant('3.0.0'),
  paths: objects({ '/x': fc.jsonValue(), 'apis/p.example.com/v1': objects({ serverRelativeURL: text }) }),
  definitions: fc.jsonValue(),
  components: objects({ schemas: fc.jsonValue() }),
})
const anything = fc.oneof(legacy, aggregated, openApi, fc.jsonValue())

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Names of the groups in a list that have one, of the older kind and of the younger. */
const groupNames = (items: unknown): ReadonlyArray<unknown> =>
  (Array.isArray(items) ? items : [])
    .filter(isRecord)
    .map(({ name, metadata }) => (isRecord(metadata) ? metadata['name'] : name))
    .filter((found) => typeof found === 'string' && found !== '')

test('never throws, and changes nothing more when it merges again', (t) => {
  const v3 = claimedOpenApiV3(first)
  const merges: ReadonlyArray<(theirs: unknown) => unknown> = [
    (theirs) => groupList(all, theirs),
    (theirs) => group(claimed.map(ofClaimed), theirs),
    (theirs) => resourceList(ours, theirs),
    (theirs) => groupDiscoveryList('v2', all, theirs),
    (theirs) => mergeOpenApiV2(registryOpenApiV2(false), theirs),
    (theirs) => mergeOpenApiV3(v3, theirs),
  ]
  const asSent = (merged: unknown): unknown => JSON.parse(JSON.stringify(merged))
  fc.assert(
    fc.property(anything, (theirs) => {
      mergeOpenApiV3Index([{ groupVersion: 'p.example.com/v1', hash: 'H' }], theirs)
      for (const merge of merges) {
        const merged = asSent(merge(theirs))
        t.deepEqual(asSent(merge(merged)), merged)
      }
    }),
    { numRuns: 200 },
  )
})

test('loses no group that has a name, and has none twice', (t) => {
  const check = (theirs: unknown, merged: unknown): void => {
    const found = groupNames(merged)
    t.is(new Set(found).size, found.length)
    for (const known of [...groupNames(theirs), 'p.example.com']) t.true(found.includes(known))
  }
  fc.assert(
    fc.property(legacy, aggregated, (older, younger) => {
      check(older.groups, groupList(all, { ...older, kind: 'APIGroupList' })['groups'])
      check(younger.items, groupDiscoveryList('v2', all, younger)['items'])
    }),
    { numRuns: 200 },
  )
})
