import test from 'ava'

import { explain, type Explanation } from '../../src/routing/explain.ts'
import { claimsOf } from '../../src/routing/table.ts'
import { parseDataPlaneService } from '../../src/api/validation.ts'
import { E } from '../../src/fp.ts'
import { compile, verdictsOf } from '../../src/routing/table.ts'
import { encodeFrame, encodeQueryData } from '../../src/frames/index.ts'
import { serviceDefinitions } from '../../src/services/index.ts'

const object = (name: string, spec: object) => {
  const parsed = parseDataPlaneService({
    apiVersion: 'aggregation.grafana.app/v0alpha1',
    kind: 'DataPlaneService',
    metadata: { name },
    spec: {
      pluginID: 'p',
      pluginType: 'datasource',
      group: 'p.example.com',
      version: 'v1',
      services: [{ type: 'query' }],
      ...spec,
    },
  })
  if (E.isLeft(parsed)) throw new Error(JSON.stringify(parsed.left))
  return parsed.right
}

const definitions = serviceDefinitions({ encodeQueryData, encodeFrame })

const ask = (services: Parameters<typeof compile>[0], method: string, url: string): Explanation => {
  const table = compile(services, definitions)
  const registry = { verdicts: verdictsOf(table), rejected: [] }
  return explain({ table, claims: claimsOf(table), registry, layers: ['authorize', 'limits'] }, method, url)
}

const query = '/apis/p.example.com/v1/namespaces/default/datasources/p1/query'

test('names object, type, plugin, route, parameters and layers of a claimed request', (t) => {
  t.deepEqual(ask([object('a', {})], 'POST', `${query}?x=y`), {
    to: 'us',
    type: 'query',
    dataPlaneService: 'a',
    pluginID: 'p',
    route: 'POST /apis/p.example.com/v1/namespaces/{namespace}/datasources/{uid}/query',
    path: query,
    params: { namespace: 'default', uid: 'p1' },
    tail: '',
    layers: ['authorize', 'limits'],
    isShared: false,
  })
})

test('names the HTTP server that answers in the stead of the plugin', (t) => {
  const backend = { type: 'http', baseURL: 'https://b.example.com/base' }
  t.like(ask([object('a', { backend })], 'POST', query), { backend: backend.baseURL, pluginID: '' })
})

test('tells a refusal from a claim that is served', (t) => {
  t.like(ask([object('a', {})], 'DELETE', query), { to: 'us', refusal: { code: 405, message: 'allowed: POST' } })
  t.like(ask([object('a', {})], 'POST', query.replace('/p1', '//p1')), { to: 'us', refusal: { code: 400 } })
})

const misses: ReadonlyArray<[url: string, why: RegExp, nearby: number]> = [
  ['/', /^only paths below \/apis\/\{group\}\/\{version\}\/ are claimed$/, 0],
  ['*', /^only paths below/, 0],
  ['', /^only paths below/, 0],
  ['/apis/q.example.com/v1/x', /^no DataPlaneService claims group "q\.example\.com"$/, 0],
  ['/apis/p.example.com/v2/x', /^no DataPlaneService claims version "v2" of group "p\.example\.com"$/, 2],
  ['/apis/p.example.com/v1/x?y=1', /^no route of "p\.example\.com\/v1" has this path$/, 2],
]
for (const [url, why, nearby] of misses) {
  test(`says why nobody claims ${JSON.stringify(url)}`, (t) => {
    const explanation = ask([object('a', {})], 'GET', url)
    if (explanation.to !== 'next') throw new Error('claimed')
    t.regex(explanation.why, why)
    t.is(explanation.nearby.length, nearby)
  })
}

test('says of a path that was lost to another object who has it', (t) => {
  const route = (path: string) => ({ services: [{ type: 'route', path }] })
  const explanation = ask([object('a', route('/x/{y}')), object('b', route('/x/z'))], 'GET', '/apis/p.example.com/v1/q')
  if (explanation.to !== 'next') throw new Error('claimed')
  t.regex(
    explanation.why,
    /; "b" lost claims: spec\.services\[0\]: \* \/namespaces\/\{namespace\}\/x\/z is claimed by DataPlaneService "a"$/,
  )
})
