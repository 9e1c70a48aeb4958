import test from 'ava'
import fc from 'fast-check'

import { apiVersion } from '../../../src/api/dataplane-service.ts'
import { E } from '../../../src/fp.ts'
import { ownUpdate, serverSideApply } from '../../../src/registry/managed-fields/index.ts'
import { apply, by, entry, manifest, noon, ownersIn, refused, stored } from './_objects.ts'

const annotation = 'kubectl.kubernetes.io/last-applied-configuration'

test('owns what it applies, items of lists by their keys with defaults filled in', (t) => {
  const applied = manifest(
    { pluginID: 'p', services: [{ type: 'route', path: '/a' }, { type: 'query' }], backend: {} },
    {
      labels: { a: '1' },
      finalizers: ['x/y'],
      ownerReferences: [{ apiVersion: 'v1', kind: 'K', name: 'o', uid: 'u1' }],
    },
  )
  const object = apply(t, undefined, applied, by('a'))
  t.deepEqual(object.metadata.managedFields, [
    {
      manager: 'a',
      operation: 'Apply',
      apiVersion,
      time: '2026-11-23T12:00:00Z',
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:metadata': {
          'f:finalizers': { 'v:"x/y"': {} },
          'f:labels': { 'f:a': {} },
          'f:ownerReferences': { 'k:{"uid":"u1"}': {} },
        },
        'f:spec': {
          'f:backend': {},
          'f:pluginID': {},
          'f:services': {
            'k:{"method":"","path":"","type":"query"}': { '.': {}, 'f:type': {} },
            'k:{"method":"","path":"/a","type":"route"}': { '.': {}, 'f:path': {}, 'f:type': {} },
          },
        },
      },
    },
  ])
  t.deepEqual(object.spec, applied.spec)
})

test('merges maps, lists by keys and sets; takes away what the same manager leaves out', (t) => {
  const first = apply(
    t,
    undefined,
    manifest(
      {
        pluginID: 'p',
        services: [{ type: 'query' }, { type: 'route', path: '/a' }],
        backend: { type: 'http', baseURL: 'h' },
      },
      { labels: { a: '1' }, finalizers: ['x/1', 'x/2'] },
    ),
    by('a'),
  )
  const both = apply(
    t,
    first,
    manifest({ services: [{ type: 'stream' }, { type: 'query' }] }, { labels: { b: '2' }, finalizers: ['x/2', 'x/3'] }),
    by('b'),
  )
  t.deepEqual(both.spec, {
    pluginID: 'p',
    services: [{ type: 'stream' }, { type: 'query' }, { type: 'route', path: '/a' }],
    backend: { type: 'http', baseURL: 'h' },
  })
  t.deepEqual(both.metadata.labels, { a: '1', b: '2' })
  t.deepEqual(both.metadata.finalizers, ['x/1', 'x/2', 'x/3'])

  const left = apply(t, both, manifest({ pluginID: 'p' }), by('a'))
  t.deepEqual(left.spec, { pluginID: 'p', services: [{ type: 'stream' }, { type: 'query' }] }, 'what b applies stays')
  t.deepEqual(left.metadata.labels, { b: '2' })
  t.deepEqual(left.metadata.finalizers, ['x/2', 'x/3'])
  t.is(left.metadata.uid, both.metadata.uid)
})

test('keeps a field that an Update owns when its applier leaves it out', (t) => {
  const applied = apply(t, undefined, manifest({ pluginID: 'p', version: 'v1' }), by('a'))
  const changed = ownUpdate(applied, { ...applied, spec: { pluginID: 'p', version: 'v2' } }, by('b'))
  const left = apply(t, changed, manifest({ pluginID: 'p' }), by('a'))
  t.deepEqual(left.spec, { pluginID: 'p', version: 'v2' })
})

test('changes nothing when the same is applied again, not even times', (t) => {
  const applied = manifest({ pluginID: 'p', services: [{ type: 'query' }] }, { labels: { a: '1' } })
  const first = apply(t, undefined, applied, by('a'))
  t.deepEqual(apply(t, first, applied, by('a', { timeMs: noon + 60_000 })), first)
})

test('shares a field that another applies with the same value', (t) => {
  const first = apply(t, undefined, manifest({ pluginID: 'p' }), by('a'))
  const shared = apply(t, first, manifest({ pluginID: 'p' }), by('b', { timeMs: noon + 60_000 }))
  t.deepEqual(ownersIn(shared), {
    'Apply a': { 'f:spec': { 'f:pluginID': {} } },
    'Apply b': { 'f:spec': { 'f:pluginID': {} } },
  })
  t.deepEqual(
    shared.metadata.managedFields?.map(({ time }) => time),
    ['2026-11-23T12:00:00Z', '2026-11-23T12:01:00Z'],
  )
  t.deepEqual(apply(t, shared, manifest({}), by('a')).spec, { pluginID: 'p' })
})

test('refuses to change one field of another manager', (t) => {
  const live = apply(t, undefined, manifest({ pluginID: 'p' }), by('mgrA'))
  t.deepEqual(refused(live, manifest({ pluginID: 'q' }), by('b')), {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'Apply failed with 1 conflict: conflict with "mgrA": .spec.pluginID',
    reason: 'Conflict',
    details: {
      causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "mgrA"', field: '.spec.pluginID' }],
    },
    code: 409,
  })
})

test('tells several conflicts in order, by manager, and who owns through what', (t) => {
  const service = 'k:{"method":"","path":"/a","type":"route"}'
  const live = stored(
    { pluginID: 'p', group: 'g', services: [{ type: 'route', path: '/a' }] },
    {
      labels: { 'a.b/c': '1' },
      managedFields: [
        entry('z', { 'f:spec': { 'f:services': { [service]: { 'f:method': {} } }, 'f:pluginID': {} } }),
        entry('z', { 'f:spec': { 'f:group': {} } }, { operation: 'Apply' }),
        entry('a "b"', { 'f:metadata': { 'f:labels': { 'f:a.b/c': {} } } }, { subresource: 'scale' }),
      ],
    },
  )
  const applied = manifest({ pluginID: 'q', group: 'h' }, { labels: { 'a.b/c': '2' } })
  t.is(
    refused(live, applied, by('c'))?.message,
    [
      'Apply failed with 3 conflicts: conflicts with "a \\"b\\"" with subresource "scale" using aggregation.grafana.app/v0alpha1:',
      '- .metadata.labels.a.b/c',
      'conflicts with "z":',
      '- .spec.group',
      'conflicts with "z" using aggregation.grafana.app/v0alpha1:',
      '- .spec.pluginID',
    ].join('\n'),
  )
  const item = manifest({ services: [{ type: 'route', path: '/a', method: '' }] })
  t.is(
    refused(live, item, by('c'))?.message,
    'Apply failed with 1 conflict: conflict with "z" using aggregation.grafana.app/v0alpha1: .spec.services[method="",path="/a",type="route"].method',
  )
})

test('takes over by force what is in its way, and no more', (t) => {
  const live = apply(t, undefined, manifest({ pluginID: 'p', group: 'g' }), by('a'))
  const forced = apply(t, live, manifest({ pluginID: 'q' }), by('b'), true)
  t.deepEqual(ownersIn(forced), {
    'Apply a': { 'f:spec': { 'f:group': {} } },
    'Apply b': { 'f:spec': { 'f:pluginID': {} } },
  })
  const all = apply(t, forced, manifest({ group: 'h', pluginID: 'q' }), by('b'), true)
  t.deepEqual(Object.keys(ownersIn(all)), ['Apply b'], 'who has nothing left is no owner')
})

test('owns status through its subresource only, and all else through the object only', (t) => {
  const condition = { type: 'Available', status: 'True', reason: 'Passed', message: '', lastTransitionTime: 'x' }
  const whole = manifest({ pluginID: 'p' }, { labels: { a: '1' } }, { status: { conditions: [condition] } })
  const main = apply(t, undefined, whole, by('a'))
  t.deepEqual(ownersIn(main), {
    'Apply a': { 'f:metadata': { 'f:labels': { 'f:a': {} } }, 'f:spec': { 'f:pluginID': {} } },
  })
  const live = { ...main, status: {} }
  const key = 'k:{"type":"Available"}'
  const parts = { '.': {}, 'f:lastTransitionTime': {}, 'f:message': {}, 'f:reason': {}, 'f:status': {}, 'f:type': {} }
  t.deepEqual(ownersIn(apply(t, live, whole, by('a', { subresource: 'status' })))['Apply a status'], {
    'f:status': { 'f:conditions': { [key]: parts } },
  })
})

test('finds what was there before the first apply in the hands of before-first-apply', (t) => {
  const live = stored({ pluginID: 'p', group: 'g' }, { labels: { a: '1' } })
  t.is(
    refused(live, manifest({ pluginID: 'q' }), by('a'))?.message,
    'Apply failed with 1 conflict: conflict with "before-first-apply" using aggregation.grafana.app/v0alpha1: .spec.pluginID',
  )
  t.deepEqual(ownersIn(apply(t, live, manifest({ pluginID: 'q' }), by('a'), true)), {
    'Apply a': { 'f:spec': { 'f:pluginID': {} } },
    'Update before-first-apply': {
      'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } },
      'f:spec': { '.': {}, 'f:group': {} },
    },
  })
})

/** What kubectl did: a client-side apply, then, in four requests, the first server-side apply. */
test('lets kubectl go from its own apply to that of the server', (t) => {
  const clientSide = manifest({ pluginID: 'p', group: 'g', services: [{ type: 'query' }] })
  const text = JSON.stringify(clientSide)
  const created = ownUpdate(
    undefined,
    stored(clientSide.spec, { annotations: { [annotation]: text } }),
    by('kubectl-client-side-apply'),
  )
  const wanted = manifest({ pluginID: 'q', group: 'g', services: [{ type: 'query' }] })

  // What nobody changed since its own apply is kubectl's, though under another name.
  const first = apply(t, created, wanted, by('kubectl'))
  t.deepEqual(Object(first.spec), { pluginID: 'q', group: 'g', services: [{ type: 'query' }] })
  const kept = first.metadata.annotations?.[annotation] ?? ''
  t.deepEqual(JSON.parse(kept), wanted)
  t.true(kept.endsWith('\n'))

  const second = apply(
    t,
    first,
    manifest(undefined, { annotations: { [annotation]: kept } }),
    by('kubectl-last-applied'),
    true,
  )
  const migrated = (second.metadata.managedFields ?? []).filter(
    ({ manager }) => manager !== 'kubectl-client-side-apply',
  )
  const third = ownUpdate(
    second,
    { ...second, metadata: { ...second.metadata, managedFields: migrated } },
    by('kubectl'),
  )
  t.deepEqual(Object.keys(ownersIn(third)).toSorted(), ['Apply kubectl', 'Apply kubectl-last-applied'])

  const fourth = apply(t, third, manifest({ pluginID: 'q', services: [{ type: 'stream' }] }), by('kubectl'))
  t.deepEqual(fourth.spec, { pluginID: 'q', services: [{ type: 'stream' }] }, 'the rest was its own to take away')
})

test('lets kubectl have only what nobody changed since its own apply', (t) => {
  const text = JSON.stringify(manifest({ pluginID: 'p', group: 'g' }))
  const created = ownUpdate(
    undefined,
    stored({ pluginID: 'p', group: 'g' }, { annotations: { [annotation]: text } }),
    by('csa'),
  )
  const changed = ownUpdate(created, { ...created, spec: { pluginID: 'z', group: 'g' } }, by('other'))
  t.is(
    refused(changed, manifest({ pluginID: 'q', group: 'h' }), by('kubectl'))?.message,
    'Apply failed with 1 conflict: conflict with "other" using aggregation.grafana.app/v0alpha1: .spec.pluginID',
  )
  t.is(refused(changed, manifest({ group: 'h' }), by('somebody'))?.code, 409, 'this is for kubectl alone')
})

const wrong: Readonly<Record<string, readonly [applied: unknown, message: string | RegExp, field?: string]>> = {
  'no object': [[], /^error decoding patch/],
  'no apiVersion': [{ kind: 'DataPlaneService' }, 'invalid object type: /, Kind=DataPlaneService'],
  'another version': [
    { ...manifest({}), apiVersion: 'aggregation.grafana.app/v1' },
    'invalid object type: aggregation.grafana.app/v1, Kind=DataPlaneService',
  ],
  'a version without a group': [
    { ...manifest({}), apiVersion: 'v1' },
    'invalid object type: /v1, Kind=DataPlaneService',
  ],
  'managed fields': [manifest({}, { managedFields: [] }), 'metadata.managedFields must be nil'],
  'a field that nobody knows': [
    manifest({ x: 1 }),
    'failed to create typed patch object: .spec.x: field not declared in schema',
    '.spec.x',
  ],
  'a field of metadata that nobody knows': [manifest({}, { owner: 'me' }), /field not declared/, '.metadata.owner'],
  'a field of an item that nobody knows': [
    manifest({ services: [{ type: 'query', x: 1 }] }),
    /field not declared in schema$/,
    '.spec.services[method="",path="",type="query"].x',
  ],
  'a wrong type': [manifest({ pluginID: 7 }), /: expected string, got a number$/, '.spec.pluginID'],
  'a map that is none': [manifest({}, { labels: [] }), /: expected a map, got a list$/, '.metadata.labels'],
  'a list that is none': [manifest({ services: {} }), /: expected a list, got a map$/, '.spec.services'],
  'an item that is none': [
    manifest({ services: [null] }),
    /: expected an object with method or path or type/,
    '.spec.services[0]',
  ],
  'an item of a set that is none': [
    manifest({}, { finalizers: [{}] }),
    /: expected a scalar/,
    '.metadata.finalizers[0]',
  ],
  'two items with the same keys': [
    manifest({ services: [{ type: 'query' }, { type: 'query', path: '' }] }),
    /duplicate entries for key \[method="",path="",type="query"\]$/,
    '.spec.services',
  ],
  'a wrong type in what is owned whole': [
    manifest({}, { ownerReferences: [{ uid: 'u', name: 1 }] }),
    /expected string/,
    '.metadata.ownerReferences[uid="u"].name',
  ],
  'a name that is none': [manifest({}, { name: {} }), /metadata/],
}

for (const [what, [applied, message, field]] of Object.entries(wrong)) {
  test(`refuses to apply ${what}`, (t) => {
    const status = refused(undefined, applied, by('a'))
    t.is(status?.code, 400)
    if (typeof message === 'string') t.is(status?.message, message)
    else t.regex(status?.message ?? '', message)
    if (field !== undefined) t.is(status?.details?.causes?.[0]?.field, field)
  })
}

test('leaves what is the server’s to the server', (t) => {
  const live = stored({ pluginID: 'p' }, { creationTimestamp: '2026-01-01T00:00:00Z', generation: 3 })
  const object = apply(t, live, manifest({ pluginID: 'p' }, { creationTimestamp: null }), by('a'))
  t.is(object.metadata.creationTimestamp, '2026-01-01T00:00:00Z')
  t.is(object.metadata.generation, 3)
  t.is(object.metadata.uid, 'u')
})

const text = fc.constantFrom('a', 'b', '__proto__', 'constructor', 'x.io/y', '"<&>"')
const service = fc.record({ type: text, method: text, path: text }, { requiredKeys: ['type'] })
const manifests = fc
  .record(
    {
      labels: fc.dictionary(text, text, { noNullPrototype: true, maxKeys: 3 }),
      finalizers: fc.uniqueArray(text, { minLength: 1, maxLength: 3 }),
      services: fc.uniqueArray(service, {
        minLength: 1,
        maxLength: 4,
        selector: ({ type, method = '', path = '' }) => JSON.stringify([type, method, path]),
      }),
      pluginID: text,
      backend: fc.record({ type: text, baseURL: text }, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  )
  .map(({ labels, finalizers, ...spec }): unknown =>
    JSON.parse(JSON.stringify(manifest(spec, { ...(labels && { labels }), ...(finalizers && { finalizers }) }))),
  )

test('applies anything: what was applied is there, is owned, and applied again it is nothing new', (t) => {
  const managers = fc.constantFrom('a', 'b', 'kubectl')
  const steps = fc.array(fc.tuple(manifests, managers), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(steps, (applied) => {
      let live: ReturnType<typeof stored> | undefined
      for (const [object, name] of applied) {
        const next = apply(t, live, object, by(name), true)
        t.deepEqual(apply(t, next, object, by(name, { timeMs: noon + 5000 })), next)
        const own = ownersIn(apply(t, undefined, object, by(name)))[`Apply ${name}`]
        t.deepEqual(ownersIn(next)[`Apply ${name}`], own)
        live = next
      }
      t.is(Reflect.get({}, 'a'), undefined)
      t.true(E.isRight(serverSideApply(live, manifest(undefined), by('c'), false)), 'nothing is no conflict')
    }),
    { numRuns: 60 },
  )
})
