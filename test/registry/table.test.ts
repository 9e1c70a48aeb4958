import test from 'ava'
import fc from 'fast-check'

import { apiVersion, kind } from '../../src/api/dataplane-service.ts'
import type { StoredObject } from '../../src/api/object.ts'
import { formatAge, formatDuration } from '../../src/registry/age.ts'
import { columnDefinitions, rowOf } from '../../src/registry/table.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

const ages: ReadonlyArray<readonly [ms: number, expected: string]> = [
  [-5 * second, '<invalid>'],
  [-1 * second, '0s'],
  [0, '0s'],
  [999, '0s'],
  [119 * second, '119s'],
  [2 * minute, '2m'],
  [3 * minute + 20 * second, '3m20s'],
  [10 * minute - 1, '9m59s'],
  [10 * minute + 5 * second, '10m'],
  [3 * hour - 1, '179m'],
  [3 * hour, '3h'],
  [3 * hour + 7 * minute, '3h7m'],
  [8 * hour + 7 * minute, '8h'],
  [2 * day - 1, '47h'],
  [2 * day, '2d'],
  [7 * day + 5 * hour, '7d5h'],
  [8 * day + 5 * hour, '8d'],
  [730 * day - 1, '729d'],
  [730 * day, '2y'],
  [(3 * 365 + 12) * day, '3y12d'],
  [8 * 365 * day, '8y'],
  [(20 * 365 + 12) * day, '20y'],
]
for (const [ms, expected] of ages) {
  test(`says ${expected} for ${String(ms)} ms`, (t) => {
    t.is(formatDuration(ms), expected)
  })
}

test('does not know the age of what has no time', (t) => {
  for (const time of [undefined, null, '', 'yesterday', 7]) t.is(formatAge(time, 0), '<unknown>')
  t.is(formatAge('1970-01-01T00:00:10Z', 55 * second), '45s')
})

const named = (rest: Partial<StoredObject>): StoredObject => ({ apiVersion, kind, metadata: { name: 'a' }, ...rest })

/** By the name of the column. */
const cells = (object: StoredObject): Record<string, string | undefined> => {
  const row = rowOf(object, 'None', 'meta.k8s.io/v1', 0)
  return Object.fromEntries(columnDefinitions.map(({ name }, index) => [name, row.cells[index]]))
}

test('shows the columns of a whole object', (t) => {
  const condition = { lastTransitionTime: '2026-01-01T00:00:00Z', message: '' } as const
  t.deepEqual(
    cells(
      named({
        spec: {
          pluginID: 'p',
          group: 'g.example.com',
          version: 'v1',
          services: [{ type: 'route', path: '/a' }, { type: 'query' }, { type: 'route', path: '/b' }],
        },
        status: {
          conditions: [
            { ...condition, type: 'Accepted', status: 'True', reason: 'Routed' },
            {
              ...condition,
              type: 'Available',
              status: 'False',
              reason: 'PluginCrashed',
              message: 'it\u001b[31m\nfell',
            },
          ],
        },
      }),
    ),
    {
      Name: 'a',
      Plugin: 'p',
      Services: 'route,query',
      Available: 'False (PluginCrashed)',
      Age: '<unknown>',
      'Group/Version': 'g.example.com/v1',
      Accepted: 'True',
      Message: 'it [31m fell',
    },
  )
})

test('shows the first five columns, the rest on demand, and marks the name', (t) => {
  t.deepEqual(
    columnDefinitions.map(({ name, type, format, priority }) => [name, type, format, priority]),
    [
      ['Name', 'string', 'name', 0],
      ['Plugin', 'string', '', 0],
      ['Services', 'string', '', 0],
      ['Available', 'string', '', 0],
      ['Age', 'string', '', 0],
      ['Group/Version', 'string', '', 1],
      ['Accepted', 'string', '', 1],
      ['Message', 'string', '', 1],
    ],
  )
})

test('bounds what it shows', (t) => {
  const services = Array.from({ length: 10_000 }, (_, index) => ({ type: `type-${String(index)}` }))
  const { Services = '', Plugin = '' } = cells(named({ spec: { pluginID: 'p'.repeat(10_000), services } }))
  t.true(Services.length < 130 && Plugin.length < 130)
})

test('makes a row of short texts of whatever is in an object', (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (spec, status) => {
      const { cells: row } = rowOf(named({ spec, status: status as object }), 'Object', 'meta.k8s.io/v1', 0)
      return row.length === columnDefinitions.length && row.every((cell) => typeof cell === 'string')
    }),
  )
  const keys = fc.constantFrom('services', 'type', 'conditions', 'status', 'reason', 'message', 'pluginID', 'Available')
  const tree = fc.object({ key: keys, maxDepth: 4, values: [keys, fc.constant(null), fc.integer()] })
  fc.assert(
    fc.property(tree, tree, (spec, status) =>
      rowOf(named({ spec, status }), 'Object', 'meta.k8s.io/v1', 0).cells.every((cell) => typeof cell === 'string'),
    ),
  )
  t.pass()
})
