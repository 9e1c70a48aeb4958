import test from 'ava'
import fc from 'fast-check'

import type { DataPlaneService } from '../../src/api/dataplane-service.ts'
import { compile, recompile, verdictsOf, type RouteTable } from '../../src/routing/table.ts'
import { match } from '../../src/routing/match.ts'
import { service } from '../api/manifests.ts'
import { ask, base, conflictsOf, definitions, routed, tableOf, tell } from './tables.ts'

const ns = '/namespaces/default'
const at = (day: number): string => `2026-01-${String(day).padStart(2, '0')}T00:00:00Z`

const ownerOf = (table: RouteTable, method: string, path: string): string | undefined =>
  match(table, method, base + path)?.claim.service.metadata.name

test('lets the older of two objects keep a claim, whatever their names', (t) => {
  const older = routed(['GET /a'], { name: 'z', created: at(1) })
  const younger = routed(['GET /a', 'GET /b'], { name: 'a', created: at(2) })
  const table = tableOf(younger, older)
  t.is(ownerOf(table, 'GET', `${ns}/a`), 'z')
  t.is(ownerOf(table, 'GET', `${ns}/b`), 'a')
  t.deepEqual(
    verdictsOf(table).map(({ service: { metadata }, conflicts }) => [metadata.name, conflicts]),
    [
      ['z', []],
      [
        'a',
        [
          {
            reason: 'FieldValueForbidden',
            field: 'spec.services[0]',
            message: 'GET /namespaces/{namespace}/a is claimed by DataPlaneService "z"',
          },
        ],
      ],
    ],
  )
})

const births: ReadonlyArray<readonly [title: string, a: string | undefined, b: string | undefined, owner: string]> = [
  ['goes by the name between objects of one age', at(1), at(1), 'a'],
  ['goes by the name where no age is known', undefined, undefined, 'a'],
  ['takes no age for the oldest, wherever it stands', undefined, at(9), 'a'],
  ['takes a path from nobody whose age is not known', at(9), undefined, 'b'],
  ['compares moments, not texts', '2026-01-01T00:00:00+02:00', '2025-12-31T23:00:00Z', 'a'],
  ['takes an impossible time for none', at(9), '2026-99-99T00:00:00Z', 'b'],
]
for (const [title, a, b, owner] of births) {
  test(title, (t) => {
    const made = (name: string, created: string | undefined) =>
      routed(['/x'], { name, ...(created === undefined ? {} : { created }) })
    const [first, second] = [made('a', a), made('b', b)]
    for (const table of [tableOf(first, second), tableOf(second, first)]) t.is(ownerOf(table, 'GET', `${ns}/x`), owner)
  })
}

const overlaps: ReadonlyArray<readonly [held: string, asked: string, conflicts: boolean]> = [
  ['GET /a', 'GET /a', true],
  ['GET /a', 'PUT /a', false],
  ['/a', 'PUT /a', true],
  ['PUT /a', '/a', true],
  ['GET /a/{x}', 'GET /a/{y}', true],
  ['GET /a/{x}', 'GET /a/b', true],
  ['GET /a/b', 'GET /a/{x}', true],
  ['GET /a/{x}', 'GET /{x}/b', true],
  ['GET /a/{x}', 'GET /b/{x}', false],
  ['GET /a/{x}', 'GET /a', false],
  ['GET /a/*', 'GET /a', true],
  ['GET /a', 'GET /a/*', true],
  ['GET /a/*', 'GET /a/b/c', true],
  ['GET /a/b/c', 'GET /a/*', true],
  ['GET /a/b/{x}/d', 'GET /a/*', true],
  ['GET /a/*', 'PUT /a/b', false],
  ['GET /a/*', 'GET /b/*', false],
  ['GET /*', 'GET /a/b/c', true],
  ['GET /a/{x}/*', 'GET /{y}/b/*', true],
]
for (const [held, asked, conflicts] of overlaps) {
  test(`${conflicts ? 'refuses' : 'lets stand'} another object's ${asked} beside ${held}`, (t) => {
    const table = tableOf(routed([held], { name: 'a' }), routed([asked], { name: 'b' }))
    t.is(conflictsOf(table).length, conflicts ? 1 : 0)
  })
}

test('lets nobody take a part of the routes of a type', (t) => {
  const thief = ['POST /datasources/{uid}/query', '/datasources/p1/query', 'POST /datasources/p1/*', 'POST /*']
  const table = tableOf(
    service([{ type: 'query' }], { created: at(1) }),
    routed(thief, { name: 'thief', created: at(2) }),
  )
  t.is(conflictsOf(table).length, 4)
  t.is(ownerOf(table, 'POST', `${ns}/datasources/p1/query`), 'v1.p.example.com')
})

test('lets the more specific route of one object win', (t) => {
  const table = tableOf(routed(['GET /*', 'GET /{x}', 'GET /a', '/a']))
  t.deepEqual(conflictsOf(table), [])
  t.deepEqual(
    ['GET /a', 'PUT /a', 'GET /b', 'GET /b/c'].map((request) => {
      const [method = '', path = ''] = request.split(' ')
      return ask(table, method, ns + path)
    }),
    ['GET /a', '* /a', 'GET /{x}', 'GET /*'],
  )
})

test('names an object that claims the same twice as its own rival', (t) => {
  const table = tableOf(
    service([{ type: 'query' }, { type: 'route', method: 'POST', path: '/connections/{id}/query' }], { name: 'self' }),
  )
  t.deepEqual(conflictsOf(table), [
    'self spec.services[1]: POST /namespaces/{namespace}/connections/{id}/query is claimed by DataPlaneService "self"',
  ])
})

test('claims what the method says, and no more', (t) => {
  const table = tableOf(
    service([
      { type: 'route', method: 'GET' },
      { type: 'stream', method: 'POST' },
    ]),
  )
  t.is(ask(table, 'PUT', `${ns}/datasources/p1/resources/x`), '405 GET, HEAD')
  t.is(ask(table, 'GET', `${ns}/datasources/p1/stream/x`), '405 POST')
})

test('keeps groups and versions apart', (t) => {
  const table = tableOf(
    routed(['/a'], { name: 'a' }),
    routed(['/a'], { name: 'b', version: 'v2' }),
    routed(['/a'], { name: 'c', group: 'q.example.com' }),
  )
  t.deepEqual(conflictsOf(table), [])
})

test('takes over a group and version whose objects are the same', (t) => {
  const [a, b] = [routed(['/a'], { name: 'a' }), routed(['/b'], { name: 'b', version: 'v2' })]
  const before = compile([a, b], definitions)
  const come = [routed(['/c'], { name: 'b', version: 'v2' })]
  const { table: after, touched } = recompile(before, { gone: [b], come }, definitions)
  t.deepEqual(touched, ['p.example.com/v2'])
  t.is(after.get('p.example.com/v1'), before.get('p.example.com/v1'))
  t.not(after.get('p.example.com/v2'), before.get('p.example.com/v2'))
  t.is(ownerOf(after, 'GET', `${ns}/a`), 'a')
  t.is(tell(match(after, 'GET', `/apis/p.example.com/v2${ns}/b`)), 'next')
})

test('forgets what is gone, and leaves the table before as it was', (t) => {
  const [a, b] = [routed(['/x'], { name: 'a' }), routed(['/x'], { name: 'b' })]
  const before = compile([a, b], definitions)
  const { table: after } = recompile(before, { gone: [a], come: [] }, definitions)
  t.is(ownerOf(after, 'GET', `${ns}/x`), 'b')
  t.is(ownerOf(before, 'GET', `${ns}/x`), 'a')
  t.is(recompile(after, { gone: [b], come: [] }, definitions).table.size, 0)
})

const path = fc
  .array(fc.constantFrom('a', 'b', '{x}'), { minLength: 1, maxLength: 3 })
  .chain((segments) =>
    fc
      .boolean()
      .map((hasTail) =>
        [...segments.map((text, index) => text.replace('x', `x${String(index)}`)), ...(hasTail ? ['*'] : [])]
          .map((text) => `/${text}`)
          .join(''),
      ),
  )
const entry = fc.tuple(fc.constantFrom('', 'GET ', 'PUT '), path).map((parts) => parts.join(''))
const object = fc.record({
  entries: fc.uniqueArray(entry, {
    minLength: 1,
    maxLength: 4,
    selector: (text) => text.replace(/\d/g, ''),
  }),
  day: fc.integer({ min: 1, max: 3 }),
  version: fc.constantFrom('v1', 'v1', 'v2'),
})
const objects = fc
  .array(object, { maxLength: 6 })
  .map((list) =>
    list.map(({ entries, day, version }, index) =>
      routed(entries, { name: `o${String(index)}`, created: at(day), version }),
    ),
  )
const asked = ['', '/a', '/b', '/c', '/a/a', '/a/b', '/b/a', '/c/c', '/a/b/c', '/c/c/c', '/a/b/a/b'].flatMap((rest) =>
  ['v1', 'v2'].flatMap((version) =>
    ['GET', 'PUT', 'POST', 'HEAD'].map((method) => [method, `/apis/p.example.com/${version}${ns}${rest}`] as const),
  ),
)
const allAnswers = (services: ReadonlyArray<DataPlaneService>): string => {
  const table = compile(services, definitions)
  const answers = asked.map(([method, url]) => {
    const matched = match(table, method, url)
    return `${method} ${url} ${tell(matched)} ${matched?.claim.service.metadata.name ?? ''}`
  })
  return [...conflictsOf(table), ...answers].join('\n')
}

test('comes to the same table in whatever order objects arrive', (t) => {
  const shuffled = objects.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
  )
  fc.assert(fc.property(shuffled, ([list, other]) => allAnswers(list) === allAnswers(other)))
  t.pass()
})

test('never lets two objects answer on one path and method', (t) => {
  fc.assert(
    fc.property(objects, (list) => {
      const alone = list.map((one) => compile([one], definitions))
      const lost = new Set(conflictsOf(compile(list, definitions)).map((line) => line.split(' ', 1)[0]))
      return asked.every(([method, url]) => {
        const claimants = list.filter(
          ({ metadata }, index) =>
            !lost.has(metadata.name) && match(alone[index] ?? new Map(), method, url)?._tag === 'Claimed',
        )
        return claimants.length <= 1
      })
    }),
  )
  t.pass()
})

test('compiles ten thousand objects, over many groups or all over one', (t) => {
  const apart = Array.from({ length: 10_000 }, (_, index) =>
    service([{ type: 'query' }, { type: 'admission' }], {
      name: `o${String(index)}`,
      group: `g${String(index)}.example.com`,
    }),
  )
  const table = compile(apart, definitions)
  t.is(tell(match(table, 'POST', '/apis/g9999.example.com/v1/admission/mutate')), 'POST /admission/mutate')
  const together = Array.from({ length: 10_000 }, (_, index) =>
    routed([`GET /r${String(index)}/{id}`, 'GET /shared'], { name: `o${String(index)}` }),
  )
  t.is(conflictsOf(compile(together, definitions)).length, 9999)
  const { table: again } = recompile(table, { gone: apart.slice(1), come: apart.slice(2) }, definitions)
  t.is(again.get('g0.example.com/v1'), table.get('g0.example.com/v1'))
  t.is(again.size, 9999)
})

test('comes to the same table change by change as all at once', (t) => {
  const one = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    version: fc.constantFrom('v1', 'v2'),
    paths: fc.uniqueArray(fc.constantFrom('/x', '/{y}', '/x/z', 'GET /x'), { minLength: 1, maxLength: 2 }),
  })
  const states = fc.array(fc.uniqueArray(one, { selector: ({ name }) => name, maxLength: 4 }), { maxLength: 6 })
  fc.assert(
    fc.property(states, (lists) => {
      let table = compile([], definitions)
      let before: ReadonlyArray<ReturnType<typeof routed>> = []
      for (const list of lists) {
        const after = list.map(({ paths, ...rest }) => routed(paths, rest))
        table = recompile(table, { gone: before, come: after }, definitions).table
        before = after
        const whole = compile(after, definitions)
        t.deepEqual(conflictsOf(table).toSorted(), conflictsOf(whole).toSorted())
        t.deepEqual([...table.keys()].toSorted(), [...whole.keys()].toSorted())
      }
    }),
  )
})
