import test from 'ava'
import fc from 'fast-check'

import { ownUpdate } from '../../../src/registry/managed-fields/index.ts'
import { asStored, by, entry, noon, ownersIn, stored } from './_objects.ts'

test('gives all of a new object to its creator, containers too', (t) => {
  const created = ownUpdate(
    undefined,
    stored(
      { pluginID: 'p', services: [{ type: 'query', method: '', path: '' }] },
      { labels: { a: '1' }, annotations: {} },
      { status: {} },
    ),
    by('a'),
  )
  t.deepEqual(created.metadata.managedFields, [
    {
      ...entry('a', {
        'f:metadata': { 'f:annotations': {}, 'f:labels': { '.': {}, 'f:a': {} } },
        'f:spec': {
          '.': {},
          'f:pluginID': {},
          'f:services': {
            '.': {},
            'k:{"method":"","path":"","type":"query"}': { '.': {}, 'f:method': {}, 'f:path': {}, 'f:type': {} },
          },
        },
      }),
      time: '2026-11-23T12:00:00Z',
    },
  ])
})

test('passes changed fields on, and takes those that are gone from everybody', (t) => {
  const live = stored(
    { pluginID: 'p', group: 'g', version: 'v' },
    {
      managedFields: [
        entry('a', { 'f:spec': { '.': {}, 'f:pluginID': {}, 'f:group': {}, 'f:version': {} } }),
        entry('b', { 'f:spec': { 'f:version': {} } }),
      ],
    },
  )
  const next = ownUpdate(live, { ...live, spec: { pluginID: 'q', group: 'g' } }, by('c'))
  t.deepEqual(ownersIn(next), {
    'Update a': { 'f:spec': { '.': {}, 'f:group': {} } },
    'Update c': { 'f:spec': { 'f:pluginID': {} } },
  })
  t.deepEqual(
    next.metadata.managedFields?.map(({ time }) => time),
    ['2026-11-01T00:00:00Z', '2026-11-23T12:00:00Z'],
  )
})

test('leaves entries and times alone when nothing changes', (t) => {
  const live = ownUpdate(undefined, stored({ pluginID: 'p' }), by('a'))
  t.deepEqual(ownUpdate(live, structuredClone(live), by('b', { timeMs: noon + 1 })), live)
  t.deepEqual(
    ownUpdate(live, { ...live, metadata: { ...live.metadata, resourceVersion: '8', generation: 9 } }, by('b')).metadata
      .managedFields,
    live.metadata.managedFields,
  )
})

test('keeps apart what comes through status, and takes no managed fields there', (t) => {
  const live = ownUpdate(undefined, stored({ pluginID: 'p' }), by('a'))
  const next = {
    ...live,
    metadata: { ...live.metadata, managedFields: [], labels: { a: '1' } },
    status: { conditions: [] },
  }
  t.deepEqual(ownersIn(ownUpdate(live, next, by('a', { subresource: 'status' }))), {
    ...ownersIn(live),
    'Update a status': { 'f:status': { '.': {}, 'f:conditions': {} } },
  })
  t.deepEqual(ownersIn(ownUpdate(live, { ...live, status: {} }, by('b'))), ownersIn(live), 'status is not the object’s')
})

const given: Readonly<Record<string, readonly [managedFields: unknown, owners: ReadonlyArray<string>]>> = {
  'an empty list as the end of all ownership': [[], []],
  'a list of one empty entry as the end of all ownership': [[{}], []],
  'another list as it is': [[entry('m', { 'f:spec': { 'f:group': {} } })], ['Update m']],
  'null as nothing said': [null, ['Update a']],
  'a list with an unknown operation as nothing said': [[{ ...entry('m', {}), operation: 'Steal' }], ['Update a']],
  'a list with a wrong step as nothing said': [[entry('m', { spec: {} })], ['Update a']],
  'a list with a wrong time as nothing said': [[entry('m', {}, { time: 'soon' })], ['Update a']],
  'a list without fieldsType as nothing said': [[{ ...entry('m', {}), fieldsType: '' }], ['Update a']],
  'a text as nothing said': ['m', ['Update a']],
  'an entry of another version as gone': [
    [entry('m', { 'f:spec': { 'f:group': {} } }), entry('o', { 'f:spec': {} }, { apiVersion: 'x/v1' })],
    ['Update m'],
  ],
}

for (const [what, [managedFields, owners]] of Object.entries(given)) {
  test(`takes ${what}`, (t) => {
    const live = ownUpdate(undefined, stored({ pluginID: 'p', group: 'g' }), by('a'))
    const next = asStored({ ...live, metadata: { ...live.metadata, managedFields } })
    const owned = ownUpdate(live, next, by('b'))
    t.deepEqual(Object.keys(ownersIn(owned)), owners)
    t.is('managedFields' in owned.metadata, owners.length > 0)
  })
}

test('does not begin to track an object that nobody owns', (t) => {
  const live = stored({ pluginID: 'p' })
  t.false('managedFields' in ownUpdate(live, { ...live, spec: { pluginID: 'q' } }, by('a')).metadata)
})

test('merges the oldest updaters beyond ten into one, and loses none of their fields', (t) => {
  const label = (i: number) => `l${String(i).padStart(2, '0')}`
  let live = ownUpdate(undefined, stored({}), by('creator', { timeMs: noon - 1000 }))
  for (let i = 0; i < 14; i++) {
    const labels = { ...live.metadata.labels, [label(i)]: '1' }
    live = ownUpdate(
      live,
      { ...live, metadata: { ...live.metadata, labels } },
      by(`m${String(i)}`, { timeMs: noon + i * 1000 }),
    )
  }
  const entries = live.metadata.managedFields ?? []
  t.is(entries.length, 10)
  t.deepEqual(
    entries.map(({ manager }) => manager),
    ['ancient-changes', ...Array.from({ length: 9 }, (_, i) => `m${String(i + 5)}`)],
  )
  t.is(entries[0]?.time, '2026-11-23T12:00:04Z')
  const labels = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`f:${label(i)}`, {}]))
  t.deepEqual(entries[0]?.fieldsV1, { 'f:metadata': { 'f:labels': { '.': {}, ...labels } }, 'f:spec': {} })
})

test('orders appliers before updaters, older before newer, then by name', (t) => {
  const field = { 'f:spec': { 'f:group': {} } }
  const managedFields = [
    entry('b', field),
    entry('a', field),
    entry('z', field, { time: '2025-01-01T00:00:00Z' }),
    entry('x', field, { operation: 'Apply' }),
    entry('a', field, { subresource: 'status' }),
  ]
  const live = stored({ group: 'g' }, { managedFields })
  t.deepEqual(
    ownUpdate(live, live, by('c')).metadata.managedFields?.map(({ manager, subresource }) => [manager, subresource]),
    [
      ['x', undefined],
      ['z', undefined],
      ['a', undefined],
      ['a', 'status'],
      ['b', undefined],
    ],
  )
})

test('never loses what others own and nobody changed, whatever the object holds', (t) => {
  const live = stored(
    { pluginID: 'p' },
    { labels: { a: '1' }, managedFields: [entry('a', { 'f:spec': { 'f:pluginID': {} } })] },
  )
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (services, labels, finalizers) => {
      const hostile = asStored({
        ...live,
        metadata: { ...live.metadata, labels, finalizers },
        spec: { pluginID: 'p', services },
      })
      t.deepEqual(ownersIn(ownUpdate(live, hostile, by('b')))['Update a'], { 'f:spec': { 'f:pluginID': {} } })
      t.deepEqual(ownersIn(ownUpdate(hostile, live, by('b')))['Update a'], { 'f:spec': { 'f:pluginID': {} } })
    }),
  )
})
