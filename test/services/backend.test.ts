import test from 'ava'

import { serviceTypes, type Backend } from '../../src/api/dataplane-service.ts'
import type { User } from '../../src/http.ts'
import { service } from '../api/manifests.ts'
import { serviceDefinitions } from '../../src/services/index.ts'
import { createProxy, type Asking, type ProxySetup } from './_proxy.ts'
import { noFrames } from './serve.ts'

const backend: Backend = { type: 'http', baseURL: 'https://reports:8443/base/' }
const group = '/apis/p.example.com/v1'
const query = `${group}/namespaces/default/datasources/p1/query`
const user: User = { name: 'jane' }
const none: ProxySetup['plugins'] = { plugin: () => undefined, close: () => Promise.resolve() }

const asked = async (path: string, asking: Asking = {}, given: ProxySetup = {}) => {
  const { ask, sent } = createProxy({
    backend,
    plugins: none,
    services: [{ type: 'query' }, { type: 'route', path: '/r/*' }],
    ...given,
  })
  return { answer: await ask('POST', path, { user, ...asking }), sent }
}

test('sends all that an object with a backend claims there, whatever its type, and asks no plugin', async (t) => {
  const of = service(serviceTypes.map((type) => ({ type })))
  const definitions = serviceDefinitions(noFrames)
  for (const entry of of.spec.services) {
    const routes = definitions[entry.type].routes(entry, { ...of, spec: { ...of.spec, backend } })
    t.true(routes.length > 0, entry.type)
    for (const { method, path } of routes) {
      const { ask, sent } = createProxy({ backend, plugins: none, services: [entry] })
      const url = `${group}${path.replace('{namespace}', 'default').replace('{uid}', 'p1').replace('*', 'a/b')}`
      t.is((await ask(method === '*' ? 'PUT' : method, url, { user })).status, 200, path)
      t.deepEqual(
        sent.map((one) => one.url),
        [`https://reports:8443/base${url}`],
      )
    }
  }
})

test('takes no WebSocket for a backend, and gives streams their time', (t) => {
  const of = service([{ type: 'stream' }])
  const own = serviceDefinitions(noFrames).stream
  const [entry] = of.spec.services
  const routesOf = (made: typeof of) => (entry === undefined ? [] : own.routes(entry, made))
  const plain = routesOf(of)
  const wrapped = routesOf({ ...of, spec: { ...of.spec, backend } })
  t.deepEqual(
    wrapped.map(({ upgrades }) => upgrades),
    plain.map(() => false),
  )
  t.deepEqual(
    wrapped.map(({ isLongRunning }) => typeof isLongRunning),
    plain.map(({ isLongRunning }) => typeof isLongRunning),
  )
})

test('sends path and query as they came, but for tokens, and the body', async (t) => {
  const { sent } = await asked(`${group}/namespaces/a%20b/r/x%2Fy?q=%20+&access_token=s`, { body: 'b' })
  t.like(sent[0], {
    method: 'POST',
    url: `https://reports:8443/base${group}/namespaces/a%20b/r/x%2Fy?q=%20+`,
    body: 'b',
  })
})

test('tells who asks, and lets nobody else tell it', async (t) => {
  const jane = {
    name: 'jänе',
    uid: 'u1',
    groups: ['a', 'b, c'],
    extra: { 'example.com/Scopes (all)%': ['x', 'y'], none: [] },
    tokens: { access: 'geheim', id: 'geheim', grafanaId: 'geheim' },
  }
  const headers = {
    'x-remote-user': 'admin',
    'x-remote-group': 'system:masters',
    'x-remote-extra-x': 'y',
    authorization: 'geheim',
    cookie: 'geheim=1',
    'x-ds-authorization': 'geheim',
    accept: 'a/b',
  }
  const { sent } = await asked(query, { user: jane, headers })
  t.deepEqual(
    { ...sent[0]?.headers },
    {
      accept: 'a/b',
      'user-agent': 'Grafana/12.4.0',
      'x-remote-user': [Buffer.from('jänе').toString('latin1')],
      'x-remote-uid': ['u1'],
      'x-remote-group': ['a', 'b, c'],
      'x-remote-extra-example.com%2FScopes%20%28all%29%25': ['x', 'y'],
    },
  )
})

for (const [title, who] of [
  ['a line feed', { name: 'jane\nx-remote-group: system:masters' }],
  ['a space that would be cut off', { name: 'admin ' }],
  ['a group with a control character', { name: 'jane', groups: ['a\u0000'] }],
  ['an attribute with a line feed', { name: 'jane', extra: { a: ['\r\n'] } }],
] satisfies ReadonlyArray<readonly [string, User]>) {
  test(`sends nothing of a user with ${title}`, async (t) => {
    const { answer, sent } = await asked(query, { user: who })
    t.is(answer.status, 403)
    t.is(sent.length, 0)
  })
}

test('sends nothing of nobody', async (t) => {
  const { ask, sent } = createProxy({ backend, services: [{ type: 'query' }] })
  t.is((await ask('POST', query)).status, 401)
  t.is(sent.length, 0)
})

test('checks the certificate against the given bundle', async (t) => {
  const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  const caBundle = Buffer.from(pem).toString('base64')
  const { sent } = await asked(query, {}, { backend: { ...backend, caBundle } })
  t.like(sent[0]?.transport, {
    pool: { owner: 'backend v1.p.example.com' },
    tls: { ca: pem, skipVerify: false },
    timeoutMs: 0,
  })
  const other = await asked(query)
  t.deepEqual(other.sent[0]?.transport.tls, { skipVerify: false })
  t.not(other.sent[0]?.transport.pool.settings, sent[0]?.transport.pool.settings)
})

test('is unavailable, and says until when, while the backend is', async (t) => {
  const { answer } = await asked(query, {}, { answer: () => ({ _tag: 'BadGateway', message: 'reports:8443 refused' }) })
  t.like(answer, { status: 503, message: 'the backend cannot be reached' })
  t.is(answer.headers['retry-after'], '5')
  const late = await asked(query, {}, { answer: () => ({ _tag: 'GatewayTimeout', message: 'm' }) })
  t.is(late.answer.status, 504)
})

test('lets the answer through, by the rules of proxied paths', async (t) => {
  const headers = { 'content-type': 'text/html', 'set-cookie': 'a=1', 'content-security-policy': 'script-src *' }
  const { answer } = await asked(query, {}, { answer: { status: 401, headers, body: 'b' } })
  t.like(answer, {
    status: 401,
    body: 'b',
    headers: { 'content-type': 'text/html', 'set-cookie': undefined, 'content-security-policy': 'sandbox' },
  })
})

for (const location of ['/x', 'x', `https://reports:8443/base${query}`, 'https://evil/']) {
  test(`follows no redirect of a backend to ${location} (S12)`, async (t) => {
    t.is((await asked(query, {}, { answer: { status: 307, headers: { location } } })).answer.status, 502)
  })
}

test('sends no path on that a backend may decode twice (S4)', async (t) => {
  const { answer, sent } = await asked(`${group}/namespaces/default/r/%252e%252e/x`)
  t.is(answer.status, 400)
  t.is(sent.length, 0)
})
