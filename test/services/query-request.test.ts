import test from 'ava'
import fc from 'fast-check'

import { toStatus } from '../../src/errors.ts'
import { E } from '../../src/fp.ts'
import type { HttpRequest } from '../../src/http.ts'
import { decodeQuery, type QueryCall } from '../../src/services/query-request.ts'
import { service } from '../api/manifests.ts'
import { requestOf } from '../telemetry/requests.ts'

const nowMs = Date.parse('2026-03-31T12:34:56.789Z')
const hourMs = 3_600_000

const datasources = service()
const app = service(undefined, { pluginType: 'app' })

const decode = (text: string, request: Partial<HttpRequest> = {}, of = datasources) =>
  decodeQuery(requestOf({ receivedAtMs: nowMs, ...request }), { value: JSON.parse(text) as unknown, text }, of)

const callOf = (text: string, request?: Partial<HttpRequest>): QueryCall => {
  const decoded = decode(text, request)
  if (E.isLeft(decoded)) throw new Error(JSON.stringify(decoded.left))
  return decoded.right
}

/** A request with one query, in the datasource of the path. */
const withMembers = (members: string, shared = ''): string =>
  `{"queries":[{"refId":"A","datasource":{"type":"p","uid":"p1"}${members === '' ? '' : `,${members}`}}]${shared}}`

const queryOf = (members: string, shared?: string) => {
  const { json, ...query } = callOf(withMembers(members, shared)).queries[0] ?? { json: Buffer.of() }
  return { ...query, json: Buffer.from(json).toString() }
}

const causesOf = (text: string, of = datasources, request?: Partial<HttpRequest>) => {
  const decoded = decode(text, request, of)
  return E.isLeft(decoded) ? (toStatus(decoded.left).details?.causes ?? []) : []
}

const sixHoursAgo = { fromEpochMS: nowMs - 6 * hourMs, toEpochMS: nowMs }

test('fills in what a query leaves out', (t) => {
  t.deepEqual(callOf('{"queries":[{"datasource":"p1"}]}').queries, [
    {
      refId: '',
      queryType: '',
      maxDataPoints: 100,
      intervalMS: 1000,
      timeRange: sixHoursAgo,
      json: Buffer.from('{"datasource":{"uid":"p1"}}'),
    },
  ])
})

test('takes namespace, uid, user and headers from the request', (t) => {
  const user = { name: 'jane' }
  const params = { namespace: 'team-a', uid: 'p1' }
  const headers = { 'x-panel-id': '2' }
  t.like(callOf(withMembers(''), { params, user, headers }), { namespace: 'team-a', uid: 'p1', user, headers })
})

test('takes a name that only looks like a known one', (t) => {
  const members = '"datasources":1,"\u0131ntervalMs":1,"ref_id":1,"kind":{"UID":1,"Datasource":1}'
  t.is(queryOf(members).json, `${head},${members}}`)
})

test('takes texts with whole surrogate pairs', (t) => {
  t.is(
    callOf(query('{"datasource":"p1","refId":"\\ud83d\\ude00","queryType":"\u{1f600}"}')).queries[0]?.refId,
    '\u{1f600}',
  )
})

const copied: Readonly<Record<string, readonly [members: string, expected: object]>> = {
  'a query type': ['"queryType":"range"', { queryType: 'range' }],
  'a number of points': ['"maxDataPoints":500', { maxDataPoints: 500 }],
  'a number of points with an exponent': ['"maxDataPoints":1e3', { maxDataPoints: 1000 }],
  'a number of points in a text': ['"maxDataPoints":"500"', { maxDataPoints: 500 }],
  'a number of points below zero, as Grafana does': ['"maxDataPoints":-5', { maxDataPoints: -5 }],
  'no points': ['"maxDataPoints":0', { maxDataPoints: 100 }],
  'no points in a text': ['"maxDataPoints":"0"', { maxDataPoints: 100 }],
  'null points': ['"maxDataPoints":null', { maxDataPoints: 100 }],
  'an interval': ['"intervalMs":15000', { intervalMS: 15_000 }],
  'an interval with a fraction': ['"intervalMs":1500.9', { intervalMS: 1500 }],
  'an interval below a millisecond, which plugins divide by': ['"intervalMs":0.5', { intervalMS: 1 }],
  'an interval of zero': ['"intervalMs":0', { intervalMS: 1000 }],
  'an interval below zero': ['"intervalMs":-1', { intervalMS: 1000 }],
  'a null interval': ['"intervalMs":null', { intervalMS: 1000 }],
  'null members': [
    '"queryType":null,"timeRange":null,"hide":null,"resultAssertions":null,"datasourceId":null',
    { timeRange: sixHoursAgo, queryType: '' },
  ],
  'a hidden query, which is executed as well': ['"hide":true', { refId: 'A' }],
  'the last of repeated members': ['"queryType":"a","intervalMs":1,"queryType":"b"', { queryType: 'b' }],
}
for (const [what, [members, expected]] of Object.entries(copied)) {
  test(`reads ${what}`, (t) => {
    t.like(queryOf(members), expected)
  })
}

const day = Date.parse('2026-03-31T00:00:00Z')
const ranges: Readonly<Record<string, readonly [members: string, shared: string, from: number, to: number]>> = {
  'the shared range': ['', '"from":"now-1h","to":"now"', nowMs - hourMs, nowMs],
  milliseconds: ['', '"from":"1000","to":"2000"', 1000, 2000],
  'a duration': ['', '"from":"90m"', nowMs - 1.5 * hourMs, nowMs],
  'a range that rounds to the whole day': ['', '"from":"now/d","to":"now/d"', day, day + 24 * hourMs - 1],
  'six hours before now where none is given': ['', '"from":"","to":null', nowMs - 6 * hourMs, nowMs],
  'now for an end that is left out': ['', '"from":"now-1h"', nowMs - hourMs, nowMs],
  "a query's own range": ['"timeRange":{"from":"1","to":"2"}', '"from":"5","to":"6"', 1, 2],
  'defaults in half a range of its own': [
    '"timeRange":{"from":"now-1h"}',
    '"from":"5","to":"6"',
    nowMs - hourMs,
    nowMs,
  ],
  'the shared range for a null one': ['"timeRange":null', '"from":"5","to":"6"', 5, 6],
}
for (const [what, [members, shared, fromEpochMS, toEpochMS]] of Object.entries(ranges)) {
  test(`takes ${what}`, (t) => {
    t.deepEqual(queryOf(members, `,${shared}`).timeRange, { fromEpochMS, toEpochMS })
  })
}

const head = '{"refId":"A","datasource":{"type":"p","uid":"p1"}'
const texts: ReadonlyArray<readonly [members: string, json: string]> = [
  ['"id":9007199254740993', `${head},"id":9007199254740993}`],
  ['"x":1e400,"y":-0,"z":1.000000000000000000001', `${head},"x":1e400,"y":-0,"z":1.000000000000000000001}`],
  ['"expr":"a\\u0041\\"}],"', `${head},"expr":"a\\u0041\\"}],"}`],
  ['"timeRange":{"from":"1","to":"2"},"a":[1, 2]', `${head},"a":[1, 2]}`],
  ['"a":{"timeRange":{"from":"x"}}', `${head},"a":{"timeRange":{"from":"x"}}}`],
  ['"t\\u0069meRange":{"from":"1","to":"2"},"a":1', `${head},"a":1}`],
  ['"a":1,"timeRange":null,"a":2', `${head},"a":2}`],
  ['"maxDataPoints":"500","hide":true,"intervalMs":null', `${head},"maxDataPoints":500,"hide":true,"intervalMs":null}`],
  ['"__proto__":{"a":1},"constructor":1', `${head},"__proto__":{"a":1},"constructor":1}`],
  ['"datasource" :\n"p1"\t, "b" : [ ]', '{"refId":"A","datasource":{"uid":"p1"},"b":[ ]}'],
]
for (const [members, json] of texts) {
  test(`hands on what it does not know as it was written: ${members}`, (t) => {
    t.is(queryOf(members).json, json)
  })
}

test('keeps queries apart and in order, also among repeated lists', (t) => {
  const text = `{"queries":[1],"queries": [ {"datasource":"p1","refId":"B","n":1} , {"refId":"A","n":2}\n] }`
  const { queries } = callOf(text)
  t.deepEqual(
    queries.map(({ refId, json }) => [refId, Buffer.from(json).toString()]),
    [
      ['B', '{"datasource":{"uid":"p1"},"refId":"B","n":1}'],
      ['A', '{"refId":"A","n":2}'],
    ],
  )
})

test('reads a thousand queries, and one as deep as a body can be', (t) => {
  const many = Array.from({ length: 1000 }, (_, index) => ({ refId: String(index), datasource: 'p1' }))
  const { queries } = callOf(JSON.stringify({ queries: many }))
  t.is(queries.at(-1)?.refId, '999')
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  t.is(queryOf(`"deep":${deep}`).json, `${head},"deep":${deep}}`)
})

const range = 'expected milliseconds since the epoch, a duration such as "5m", or date math such as "now-1h"'
const query = (...queries: ReadonlyArray<string>): string => `{"queries":[${queries.join(',')}]}`
const ignoredCase = 'expected a name that differs from the known ones by more than case, which plugins in Go ignore'
const refused: ReadonlyArray<readonly [text: string, field: string, message: string]> = [
  ['{}', 'queries', 'expected at least one query'],
  ['{"queries":[]}', 'queries', 'expected at least one query'],
  ['{"queries":null}', 'queries', 'expected at least one query'],
  ['[]', '', 'expected an object, got an array'],
  ['null', '', 'expected an object, got null'],
  ['"text"', '', 'expected an object, got a string'],
  ['{"queries":{}}', 'queries', 'expected an array, got an object'],
  ['{"queries":[null]}', 'queries[0]', 'expected an object, got null'],
  ['{"queries":[[]]}', 'queries[0]', 'expected an object, got an array'],
  [withMembers('', ',"from":5'), 'from', 'expected string, got a number'],
  [withMembers('', ',"from":"garbage"'), 'from', range],
  [withMembers('', ',"to":"now-1x"'), 'to', range],
  [withMembers('"timeRange":{"from":"x"}'), 'queries[0].timeRange.from', range],
  [withMembers('"timeRange":{"to":"10:00"}'), 'queries[0].timeRange.to', range],
  [withMembers('"timeRange":{"to":1}'), 'queries[0].timeRange.to', 'expected string, got a number'],
  [withMembers('"timeRange":"now"'), 'queries[0].timeRange', 'expected an object, got a string'],
  [withMembers('"refId":1'), 'queries[0].refId', 'expected string, got a number'],
  [withMembers('"hide":"yes"'), 'queries[0].hide', 'expected boolean, got a string'],
  [withMembers('"intervalMs":"1s"'), 'queries[0].intervalMs', 'expected a number of milliseconds, got a string'],
  [withMembers('"intervalMs":1e999'), 'queries[0].intervalMs', 'expected a number of milliseconds, got a number'],
  [withMembers('"intervalMs":1e300'), 'queries[0].intervalMs', 'expected a number of milliseconds, got a number'],
  ...Object.entries({
    'a number': ['1.5', '1e999', '9007199254740993'],
    'a string': ['"1.5"', '"NaN"', '""', '" 1"', '"0x10"', '"9007199254740993"'],
    'a boolean': ['true'],
    'an array': ['[]'],
  }).flatMap(([nature, all]) =>
    all.map((points) => {
      const message = `expected an integer or an integer in a string, got ${nature}`
      return [withMembers(`"maxDataPoints":${points}`), 'queries[0].maxDataPoints', message] as const
    }),
  ),
  [
    withMembers('"resultAssertions":{"typeVersion":[1,"x"]}'),
    'queries[0].resultAssertions.typeVersion[1]',
    'expected an integer, got a string',
  ],
  [
    withMembers('"resultAssertions":{"typeVersion":[1,2,"x"]}'),
    'queries[0].resultAssertions.typeVersion',
    'expected at most 2 numbers, got 3',
  ],
  ...[
    'Datasource',
    'DATASOURCE',
    'data\u017fource',
    'TimeRange',
    'refID',
    'querytype',
    'maxdatapoints',
    'IntervalMS',
    'datasourceID',
    'Hide',
    'resultassertions',
  ].map((name) => [withMembers(`"${name}":null`), `queries[0].${name}`, ignoredCase] as const),
  ...['UID', 'Type', 'apiver\u017fion'].map(
    (name) =>
      [query(`{"datasource":{"uid":"p1","${name}":"p1"}}`), `queries[0].datasource.${name}`, ignoredCase] as const,
  ),
  [query('{"Datasource":"p1"}'), 'queries[0].Datasource', ignoredCase],
  ['{"Queries":[]}', 'Queries', ignoredCase],
  ...['refId', 'queryType'].map(
    (name) =>
      [
        query(`{"datasource":"p1","${name}":"a\\udc00\\ud800"}`),
        `queries[0].${name}`,
        'expected Unicode text, got half a surrogate pair',
      ] as const,
  ),
  [query('{}'), 'queries[0].datasource', 'missing datasource reference'],
  [query('{"datasource":null}'), 'queries[0].datasource', 'missing datasource reference'],
  [query('{}', '{"datasource":"p1"}'), 'queries[0].datasource', 'missing datasource reference'],
  [query('{"__proto__":{"datasource":"p1"}}'), 'queries[0].datasource', 'missing datasource reference'],
  [query('{"datasource":5}'), 'queries[0].datasource', 'expected an object or a string, got a number'],
  [query('{"datasource":{"uid":5}}'), 'queries[0].datasource.uid', 'expected string, got a number'],
  [
    query('{"datasource":{"type":"p","uid":"p1"}}', '{"datasource":{"type":"q","uid":"p2"}}'),
    'queries[1].datasource.type',
    'expect same datasource types',
  ],
  [
    query('{"datasource":"p1"}', '{"datasource":{"type":"p","uid":"p1"}}'),
    'queries[1].datasource.type',
    'expect same datasource types',
  ],
  [
    query('{"datasource":"p1"}', '{}', '{"datasource":"p2"}'),
    'queries[2].datasource.uid',
    'expect same datasource UID',
  ],
  [
    query('{"datasource":{"type":"q","uid":"p1"}}'),
    'queries[0].datasource.type',
    'invalid datasource type: expected "p"',
  ],
  [query('{"datasource":"p2"}'), 'queries[0].datasource.uid', 'invalid datasource UID: expected "p1" as in the path'],
  [
    query('{"datasource":{"type":"p"}}'),
    'queries[0].datasource.uid',
    'invalid datasource UID: expected "p1" as in the path',
  ],
  [query('{"datasource":""}'), 'queries[0].datasource.uid', 'invalid datasource UID: expected "p1" as in the path'],
]
for (const [text, field, message] of refused) {
  test(`refuses ${text} at ${field === '' ? 'the top' : field}`, (t) => {
    t.deepEqual(
      causesOf(text).map((cause) => [cause.field, cause.message]),
      [[field, message]],
    )
  })
}

test('names all wrong fields at once, in the message too, and no value', (t) => {
  const decoded = decode('{"from":1,"queries":[{"refId":["hunter2"]},{"intervalMs":"hunter2"}]}')
  const status = E.isLeft(decoded) ? toStatus(decoded.left) : undefined
  t.like(status, {
    code: 400,
    message:
      'invalid query request: from: expected string, got a number; queries[0].refId: expected string, got an array; ' +
      'queries[1].intervalMs: expected a number of milliseconds, got a string',
  })
})

test('takes a reference without a type, an empty one and a null one for the same', (t) => {
  for (const first of [
    '"p1"',
    '{"uid":"p1"}',
    '{"uid":"p1","type":""}',
    '{"uid":"p1","type":null,"apiVersion":"v1"}',
  ]) {
    const others = ['"p1"', '{"uid":"p1","type":""}', '{"uid":"p1"}', 'null'].map((ref) => `{"datasource":${ref}}`)
    t.deepEqual(causesOf(query(`{"datasource":${first}}`, ...others)), [])
  }
})

test('lets no member become the prototype of what is decoded', (t) => {
  // Each null makes io-ts copy the object that it stands in.
  const text = query(
    '{"datasource":{"uid":"p1","type":null,"__proto__":{"type":"q"}},"hide":null,"__proto__":{"refId":5,"timeRange":{"from":{}}}}',
  )
  t.like(callOf(text).queries, [{ refId: '', timeRange: sixHoursAgo }])
})

test('has no uid to compare with in an app', (t) => {
  const params = { namespace: 'default' }
  t.deepEqual(causesOf(query('{"datasource":"any"}'), app, { params }), [])
  t.like(causesOf(query('{"datasource":{"type":"q"}}'), app, { params }), [{ field: 'queries[0].datasource.type' }])
})

test('never throws, and hands on only what the protocol can hold', (t) => {
  const key = fc.constantFrom('refId', 'datasource', 'maxDataPoints', 'intervalMs', 'timeRange', 'hide', '__proto__')
  const value = fc.oneof(
    fc.constantFrom('p1', null, { uid: 'p1' }, { from: 'now' }, '1', 5, 0.5, -1, true, {}, []),
    fc.jsonValue({ maxDepth: 1 }),
  )
  const entry = fc.array(fc.tuple(key, value)).map((pairs) => {
    const members = pairs.map(([name, given]) => `${JSON.stringify(name)}:${JSON.stringify(given)}`)
    return `{${['"datasource":"p1"', ...members].join(',')}}`
  })
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 3 }), (entries) => {
      const decoded = decode(query(...entries))
      if (E.isLeft(decoded)) return true
      return decoded.right.queries.every(
        ({ refId, queryType, maxDataPoints, intervalMS, timeRange, json }) =>
          typeof refId === 'string' &&
          typeof queryType === 'string' &&
          [maxDataPoints, intervalMS, timeRange.fromEpochMS, timeRange.toEpochMS].every(Number.isSafeInteger) &&
          typeof JSON.parse(Buffer.from(json).toString()) === 'object',
      )
    }),
    { numRuns: 2000 },
  )
  t.pass()
})
