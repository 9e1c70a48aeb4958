import test from 'ava'

import { parsePluginJson } from '../../src/api/plugin-json.ts'
import { E } from '../../src/fp.ts'

const minimal = { id: 'prometheus', type: 'datasource' }

test('reads the least that a plugin.json may hold', (t) => {
  t.deepEqual(parsePluginJson(minimal), E.right(minimal))
})

test('does not mind what is for others', (t) => {
  const full = {
    ...minimal,
    name: 'Prometheus',
    backend: true,
    executable: 'gpx_prometheus',
    info: { version: '1.0.0', author: { name: 'x' }, links: [] },
    includes: [{ type: 'dashboard' }],
    routes: [],
  }
  t.deepEqual(parsePluginJson(full), E.right(full))
})

const route = {
  path: 'api/*',
  method: 'GET',
  reqRole: 'Editor',
  reqAction: 'a:write',
  url: '{{ .JsonData.url }}/api',
  urlParams: [{ name: 'q', content: '{{ .SecureJsonData.q }}' }, { name: 'empty' }],
  headers: [{ name: 'Authorization', content: 'Bearer {{ .SecureJsonData.token }}' }],
  body: { any: ['thing'] },
  authType: 'gce',
  tokenAuth: { url: 'https://auth', scopes: ['a'], params: { grant_type: 'client_credentials' } },
  jwtTokenAuth: { scopes: ['a'], params: { token_uri: 'https://auth' } },
}
test('reads the routes of its proxy, each part of which may be missing', (t) => {
  const proxied = { ...minimal, routes: [route, {}, { path: '', body: 'text', unknown: true }] }
  t.deepEqual(parsePluginJson(proxied), E.right(proxied))
})

for (const type of ['app', 'datasource', 'panel', 'renderer', 'secretsmanager']) {
  test(`knows the type ${type}`, (t) => {
    t.true(E.isRight(parsePluginJson({ id: 'x', type })))
  })
}

for (const id of ['a', 'grafana-testdata-datasource', 'A1', 'a.b_c-d', '0']) {
  test(`takes the id "${id}"`, (t) => {
    t.true(E.isRight(parsePluginJson({ ...minimal, id })))
  })
}

for (const id of ['', '.', '..', '-a', '../a', 'a/b', 'a\\b', 'a b', 'a\n', 'ä', '__proto__']) {
  test(`refuses the id ${JSON.stringify(id)}`, (t) => {
    t.like(parsePluginJson({ ...minimal, id }), { left: [{ field: 'id', reason: 'FieldValueInvalid' }] })
  })
}

const wrong: ReadonlyArray<readonly [unknown, ReadonlyArray<string>]> = [
  [{}, ['id', 'type']],
  [{ ...minimal, type: 'theme' }, ['type']],
  [{ ...minimal, id: 1 }, ['id']],
  [{ ...minimal, backend: 'yes' }, ['backend']],
  [{ ...minimal, executable: ['gpx'] }, ['executable']],
  [{ ...minimal, info: { version: 1 } }, ['info.version']],
  [{ ...minimal, routes: {} }, ['routes']],
  [
    { ...minimal, routes: [5, { path: 5, method: ['GET'], reqRole: 5 }] },
    ['routes[0]', 'routes[1].path', 'routes[1].method', 'routes[1].reqRole'],
  ],
  [{ ...minimal, routes: [{ reqAction: {}, url: 1 }] }, ['routes[0].reqAction', 'routes[0].url']],
  [
    { ...minimal, routes: [{ headers: [{ content: 'x' }], urlParams: ['a'] }] },
    ['routes[0].urlParams[0]', 'routes[0].headers[0].name'],
  ],
  [
    { ...minimal, routes: [{ tokenAuth: { url: 1, scopes: 'a', params: { a: 1 } } }] },
    ['routes[0].tokenAuth.url', 'routes[0].tokenAuth.scopes', 'routes[0].tokenAuth.params.a'],
  ],
  [{ ...minimal, routes: [{ jwtTokenAuth: 'x' }] }, ['routes[0].jwtTokenAuth']],
]

for (const [value, fields] of wrong) {
  test(`names ${fields.join(' and ')} in ${JSON.stringify(value)}`, (t) => {
    const result = parsePluginJson(value)
    t.deepEqual(E.isLeft(result) ? result.left.map(({ field }) => field) : [], fields)
  })
}

for (const value of [null, 'text', 5, []]) {
  test(`refuses ${JSON.stringify(value)}`, (t) => {
    t.true(E.isLeft(parsePluginJson(value)))
  })
}
