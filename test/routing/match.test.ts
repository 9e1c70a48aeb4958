import test from 'ava'

import { match } from '../../src/routing/match.ts'
import { emptyTable, type Claim } from '../../src/routing/table.ts'
import { emptyNode, type Node } from '../../src/routing/trie.ts'
import { service } from '../api/manifests.ts'
import { ask, base, routed, routes, tableOf, tell } from './tables.ts'

const ns = '/namespaces/default'
const datasource = tableOf(service([{ type: 'query' }, { type: 'admission' }]))
const custom = tableOf(
  routed([
    ...['GET /a/b', 'PUT /a/{x}', 'DELETE /{x}/b', '/a/b/c', 'GET /{x}', 'HEAD /only-head', 'OPTIONS /files/*'],
    ...['GET /files/readme', 'POST /{x}/{y}/{z}'],
  ]),
)

const decisions: ReadonlyArray<readonly [method: string, path: string, decision: string]> = [
  ['POST', `${ns}/datasources/p1/query`, 'POST /datasources/{uid}/query'],
  ['POST', `${ns}/connections/p1/query`, 'POST /connections/{uid}/query'],
  ['POST', '/admission/mutate', 'POST /admission/mutate'],
  ['POST', `${ns}/datasources/p1/query?a=/../b//c`, 'POST /datasources/{uid}/query'],
  ['GET', `${ns}/datasources/p1/query`, '405 POST'],
  ['HEAD', '/admission/validate', '405 POST'],
  ['', '/admission/validate', '405 POST'],
  ['__proto__', '/admission/validate', '405 POST'],
  ['POST', `${ns}/datasources/p1`, 'next'],
  ['POST', `${ns}/datasources/p1/query/`, 'next'],
  ['POST', `${ns}/datasources//query`, '400 an empty segment'],
  ['POST', `${ns}/datasources/p1/query/x`, 'next'],
  ['POST', `/namespaces/datasources/p1/query`, 'next'],
  ['POST', '/admission', 'next'],
  ['POST', '', 'next'],
  ['POST', '/', 'next'],
  ['POST', '?/admission/mutate', 'next'],
  ['POST', '#/admission/mutate', 'next'],
  ['POST', '/Admission/mutate', 'next'],
  ['POST', `${ns}/datasources/${'%41'.repeat(3)}/query`, 'POST /datasources/{uid}/query'],
  ['POST', `${ns}/%64atasources/p1/quer%79`, 'POST /datasources/{uid}/query'],
  ['POST', `${ns}/datasources/p1%2fquery`, '400 an empty, dot or encoded segment, or parameters'],
  ['POST', `${ns}/datasources/p1/./query`, '400 an empty, dot or encoded segment, or parameters'],
  ['POST', `${ns}/datasources/p1/x/..%2fquery`, '400 an empty, dot or encoded segment, or parameters'],
  ['POST', `${ns}/datasources/%2e%2e/query`, '400 a dot segment'],
  ['POST', `${ns}/datasources/p1/query;x`, '400 an empty, dot or encoded segment, or parameters'],
  ['POST', `${ns};a/datasources;b/p1/query;x=1;y`, '400 an empty, dot or encoded segment, or parameters'],
  ['POST', `${ns}/datasources/p1;x/query`, 'POST /datasources/{uid}/query'],
  ['POST', `${ns}/datasources/p1/query%00`, '400 an empty, dot or encoded segment, or parameters'],
  ['POST', `${ns}/datasources/p1/query;x%00/y`, '400 an empty, dot or encoded segment, or parameters'],
  ['POST', `${ns}/datasources/a%2fb/query`, '400 an encoded slash'],
  ['POST', `${ns}/datasources/a%00/query`, '400 a control character'],
  ['POST', `${ns}/datasources/%ff/query`, '400 a percent-encoding that is not UTF-8'],
  ['POST', `${ns}/datasources/é/query`, '400 a character that must be percent-encoded'],
  ['GET', `${ns}/datasources/%2e%2e/query`, '400 a dot segment'],
  ['GET', '/../../../apis/p.example.com/v1/admission/mutate', '400 an empty, dot or encoded segment, or parameters'],
]
for (const [method, path, decision] of decisions) {
  test(`tells ${method} ${path}: ${decision}`, (t) => {
    t.is(ask(datasource, method, path), decision)
  })
}

const specific: ReadonlyArray<readonly [method: string, path: string, decision: string]> = [
  ['GET', '/a/b', 'GET /a/b'],
  ['HEAD', '/a/b', 'GET /a/b'],
  ['PUT', '/a/b', 'PUT /a/{x}'],
  ['DELETE', '/a/b', 'DELETE /{x}/b'],
  ['PATCH', '/a/b', '405 DELETE, GET, HEAD, PUT'],
  ['PATCH', '/a/b/c', '* /a/b/c'],
  ['POST', '/a/b/c', '* /a/b/c'],
  ['POST', '/a/x/c', 'POST /{x}/{y}/{z}'],
  ['GET', '/only-head', 'GET /{x}'],
  ['HEAD', '/only-head', 'HEAD /only-head'],
  ['GET', '/files', 'GET /{x}'],
  ['OPTIONS', '/files', 'OPTIONS /files/*'],
  ['OPTIONS', '/files/readme', 'OPTIONS /files/*'],
  ['GET', '/files/other', '405 OPTIONS'],
  ['DELETE', '/files/b', 'DELETE /{x}/b'],
  ['TRACE', '/files/b', '405 DELETE, OPTIONS'],
]
for (const [method, path, decision] of specific) {
  test(`finds the most specific route that has the method: ${method} ${path} is ${decision}`, (t) => {
    t.is(ask(custom, method, ns + path), decision)
  })
}

const elsewhere = ['/', '', '*', '/apis', '/apis/', '/apis/p.example.com', '/apis/p.example.com/v2/admission/mutate']
for (const url of [
  ...elsewhere,
  '/apis/p.example.com/v1x/admission/mutate',
  '/x/apis/p.example.com/v1/admission/mutate',
]) {
  test(`leaves ${JSON.stringify(url)} to others`, (t) => {
    t.is(match(datasource, 'POST', url), undefined)
    t.is(match(emptyTable, 'POST', url), undefined)
  })
}

test('leaves everything to others while nothing is known', (t) => {
  t.is(ask(emptyTable, 'POST', '/admission/mutate'), 'next')
  t.is(ask(emptyTable, 'POST', '//admission/./mutate'), 'next')
})

test('takes an absolute request target, as a server must', (t) => {
  const [origin, absolute] = ['', 'http://user@other:8080'].map((host) =>
    match(datasource, 'POST', `${host}${base}/admission/mutate?x=1`),
  )
  t.is(tell(origin), 'POST /admission/mutate')
  t.deepEqual(absolute, origin)
})

for (const host of ['//host', '//user@host:80', '/\\host', '///host', '/\\/host']) {
  test(`refuses what others take for a claim on another host: ${host}`, (t) => {
    for (const path of ['/admission/mutate', '/./admission/mutate;x', '/admission/mutate%00x']) {
      t.regex(tell(match(datasource, 'POST', host + base + path)), /^400 /)
    }
    t.is(match(datasource, 'POST', `${host}/x${base}/admission/mutate`), undefined)
  })
}

test('gives what was claimed: canonical path, decoded parameters, query', (t) => {
  const matched = match(datasource, 'POST', `${base}/namespaces/a%20b/%64atasources/%c3%a9%3F;x/query?q=%20#f`)
  t.like(matched, {
    path: `${base}/namespaces/a%20b/datasources/%C3%A9%3F;x/query`,
    query: 'q=%20',
    tail: '',
  })
  const params = matched?._tag === 'Claimed' ? matched.params : {}
  t.deepEqual({ ...params }, { namespace: 'a b', uid: 'é?;x' })
  t.is(Object.getPrototypeOf(params), null)
})

test('spells a path in one way, however it came', (t) => {
  const spellings = ['a"b', 'a%22b', '%61%22%62']
  const paths = spellings.map((uid) => match(datasource, 'POST', `${base}${ns}/datasources/${uid}/query`)?.path)
  t.deepEqual(
    paths,
    Array.from(paths, () => `${base}${ns}/datasources/a%22b/query`),
  )
})

test('binds names of the prototype like any other', (t) => {
  const table = tableOf(routed(['GET /{__proto__}/{constructor}']))
  const matched = match(table, 'GET', `${base}${ns}/x/y`)
  t.deepEqual(matched?._tag === 'Claimed' && Object.entries(matched.params), [
    ['namespace', 'default'],
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ])
})

const wild = tableOf(service([{ type: 'datasource-proxy' }, ...routes('GET /files/*')]))
const tails: Readonly<Record<string, string | RegExp>> = {
  '': '',
  '/': '',
  '/a': 'a',
  '/a/b/': 'a/b/',
  '/a%2Fb%5cc': 'a%2Fb%5cc',
  '/a%20%61': 'a%20%61',
  '/a"b': 'a"b',
  '/...': '...',
  '/a?b': 'a',
  '//a': /empty segment/,
  '/a//b': /empty segment/,
  '/a//': /empty segment/,
  '/./a': /dot segment/,
  '/a/..': /dot segment/,
  '/a/%2e%2E/b': /dot segment/,
  '/a%2f..%2fb': /dot segment/,
  '/a%5c..': /dot segment/,
  '/..;x/b': /dot segment/,
  '/a\\b': /backslash/,
  '/a%00': /control character/,
  '/%zz': /percent-encoding/,
  '/é': /percent-encoded/,
}
for (const [rest, expected] of Object.entries(tails)) {
  test(`${typeof expected === 'string' ? 'keeps' : 'refuses'} a tail exactly as it came: ${rest}`, (t) => {
    for (const prefix of [`${ns}/files`, `${ns}/datasources/p1/proxy`]) {
      const matched = match(wild, 'GET', base + prefix + rest)
      if (typeof expected === 'string') {
        t.like(matched, { _tag: 'Claimed', tail: expected, path: base + prefix + rest.replace(/\?.*/, '') })
      } else t.regex(tell(matched), expected)
    }
  })
}

test('goes through ten thousand segments and 64 KB of any kind', (t) => {
  for (const piece of ['/', '/a', '/.', '/..', '/%2e%2e', '%2f', '/%', '/%ff', '\\', '/é', ';', '%252f']) {
    const rest = piece.repeat(Math.min(10_000, Math.floor(65_536 / piece.length)))
    for (const prefix of [`${base}${ns}/files/x`, `${base}${ns}/datasources/p1/query`, '/apis', '']) {
      t.notThrows(() => match(wild, 'GET', prefix + rest))
    }
  }
  const deep = '/a'.repeat(10_000)
  t.like(match(wild, 'GET', `${base}${ns}/files${deep}`), { tail: deep.slice(1) })
})

const nodesOf = function* <A>(node: Node<A>): Generator<Node<A>> {
  yield node
  for (const child of [...(node.literals?.values() ?? []), node.param]) if (child !== undefined) yield* nodesOf(child)
}

test('looks up no more than the segments of the path, however many claims there are', (t) => {
  const table = tableOf(
    ...Array.from({ length: 2000 }, (_, index) =>
      routed([`GET /r${String(index)}/{id}/x`], { name: `o${String(index)}` }),
    ),
  )
  let looked = 0
  for (const { literals } of nodesOf(table.get('p.example.com/v1')?.root ?? emptyNode<Claim>())) {
    if (literals === undefined) continue
    literals.get = (key) => {
      looked++
      return Map.prototype.get.call(literals, key) as Node<Claim> | undefined
    }
  }
  t.is(ask(table, 'GET', `${ns}/r1/7/x`), 'GET /r1/{id}/x')
  // of five segments, two are parameters where no literal is
  t.is(looked, 3)
})
