import test from 'ava'

import type { Authorize, RequestAttributes, RouteAccess } from '../../src/authorization.ts'
import { pipe, TE } from '../../src/fp.ts'
import { attributesOf, authorize } from '../../src/layers/authorize.ts'
import { match } from '../../src/routing/match.ts'
import type { Handle } from '../../src/service.ts'
import { service } from '../api/manifests.ts'
import { base, routes, tableOf } from '../routing/tables.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'
import { answer, messageOf, ok, slow, tagOf } from './answers.ts'

const claimed = service([
  ...['query', 'admission', 'conversion', 'stream', 'datasource-proxy'].map((type) => ({ type })),
  ...routes('/reports', '/reports/{id}', '/files/*', '/*'),
])
const table = tableOf(claimed)

/** What the layer would ask about this request, after the matcher has had its say. */
const attributesFor = (method: string, path: string): RequestAttributes => {
  const matched = match(table, method, base + path)
  return attributesOf(requestOf({ method, path: matched?.path ?? 'nobody claims it' }), envOf({ service: claimed }))
}

const ns = '/namespaces/default'
const instance = { namespace: 'default', resource: 'datasources', name: 'p1' }
const attributes: ReadonlyArray<readonly [method: string, path: string, expected: Partial<RequestAttributes>]> = [
  ['POST', `${ns}/datasources/p1/query`, { verb: 'create', ...instance, subresource: 'query' }],
  [
    'POST',
    `${ns}/connections/p1/query`,
    { verb: 'create', ...instance, resource: 'connections', subresource: 'query' },
  ],
  ['GET', `${ns}/datasources/p1/query`, { verb: 'get', ...instance, subresource: 'query' }],
  ['GET', `${ns}/datasources/p1/stream/a/b`, { verb: 'get', ...instance, subresource: 'stream' }],
  ['PUT', `${ns}/datasources/p1/proxy/api/x`, { verb: 'update', ...instance, subresource: 'proxy' }],
  ['PATCH', `${ns}/datasources/p1/proxy`, { verb: 'patch', ...instance, subresource: 'proxy' }],
  ['DELETE', `${ns}/datasources/p1/proxy/x`, { verb: 'delete', ...instance, subresource: 'proxy' }],
  ['HEAD', `${ns}/datasources/p1/proxy/x`, { verb: 'get', ...instance, subresource: 'proxy' }],
  ['OPTIONS', `${ns}/datasources/p1/proxy/x`, { verb: '', ...instance, subresource: 'proxy' }],
  [
    'POST',
    '/admission/mutate',
    { verb: 'create', namespace: '', resource: 'admission', name: 'mutate', subresource: '' },
  ],
  ['POST', '/conversion', { verb: 'create', namespace: '', resource: 'conversion', name: '', subresource: '' }],
  ['GET', `${ns}/reports`, { verb: 'list', namespace: 'default', resource: 'reports', name: '', subresource: '' }],
  ['DELETE', `${ns}/reports`, { verb: 'deletecollection', resource: 'reports', name: '' }],
  ['GET', `${ns}/reports/7`, { verb: 'get', resource: 'reports', name: '7', subresource: '' }],
  ['GET', `${ns}/files/a/b/c`, { verb: 'get', resource: 'files', name: 'a', subresource: 'b' }],
  ['GET', ns, { verb: 'get', namespace: 'default', resource: 'namespaces', name: 'default' }],
  ['GET', '/namespaces/a%20b/reports/%c3%a9%3F', { namespace: 'a b', resource: 'reports', name: 'é?' }],
  ['GET', `${ns}/%72eports/7`, { resource: 'reports', name: '7', path: `${base}${ns}/reports/7` }],
  ['GET', `${ns}/files/a%2Fb`, { resource: 'files', name: 'a/b', path: `${base}${ns}/files/a%2Fb` }],
  ['GET', `${ns}/files/%zz`, { resource: 'files', name: '%zz' }],
  ['GET', `${ns}/reports/%ff`, { resource: 'reports', name: '' }],
]
for (const [method, path, expected] of attributes) {
  test(`asks about ${method} ${path} in the words of Kubernetes`, (t) => {
    t.like(attributesFor(method, path), { group: 'p.example.com', version: 'v1', user: undefined, ...expected })
  })
}

const path = `${base}${ns}/datasources/p1/query`
const ask = (hook: Authorize | undefined, handle = ok, method = 'POST') =>
  authorize(hook)(handle)(requestOf({ path, method, user: { name: 'jane' } }), envOf({ service: claimed }))()

const denied =
  'datasources.p.example.com "p1" is forbidden: User "jane" cannot create resource "datasources/query" ' +
  'in API group "p.example.com" in the namespace "default"'

const decisions: Readonly<Record<string, readonly [hook: Authorize, tag: string, message: string]>> = {
  true: [() => true, '200', ''],
  'a promise of true': [() => Promise.resolve(true), '200', ''],
  'an object that allows': [() => ({ allowed: true, reason: 'because' }), '200', ''],
  false: [() => false, 'Forbidden', denied],
  'a promise of false': [() => Promise.resolve(false), 'Forbidden', denied],
  'an object that refuses': [() => ({ allowed: false }), 'Forbidden', denied],
  'an object that says why': [
    () => ({ allowed: false, reason: 'not on Sundays' }),
    'Forbidden',
    `${denied}: not on Sundays`,
  ],
  'a promise of an object': [() => Promise.resolve({ allowed: false, reason: 'no' }), 'Forbidden', `${denied}: no`],
}
const mistakes: Readonly<Record<string, () => unknown>> = {
  'a throw': () => {
    throw new Error('secret')
  },
  'a rejection': () => Promise.reject(new Error('secret')),
  nothing: () => undefined,
  null: () => null,
  'a text': () => 'yes',
  'a number': () => 1,
  'an empty object': () => ({}),
  'an object with a text': () => ({ allowed: 'false' }),
  'a rejection in a turn to come': () => new Promise((_resolve, reject) => setImmediate(reject, new Error('secret'))),
}

for (const [what, [hook, tag, message]] of Object.entries(decisions)) {
  test(`takes ${what} for ${tag === '200' ? 'leave' : 'a refusal'}`, async (t) => {
    const outcome = await ask(hook)
    t.is(tagOf(outcome), tag)
    t.is(messageOf(outcome), message)
  })
}
for (const [what, hook] of Object.entries(mistakes)) {
  test(`never takes ${what} for leave`, async (t) => {
    const service = slow()
    t.is(tagOf(await ask(hook as Authorize, service.handle)), 'Unexpected')
    t.is(service.envs.length, 0)
  })
}

test('asks once, with user and path, before anything is served', async (t) => {
  const asked: RequestAttributes[] = []
  const service = slow()
  await ask((given) => {
    asked.push(given)
    return false
  }, service.handle)
  t.like(asked, [{ user: { name: 'jane' }, path, verb: 'create', name: 'p1' }])
  t.is(asked.length, 1)
  t.is(service.envs.length, 0)
})

test('tells a stranger and the cluster scope by their names', async (t) => {
  const request = requestOf({ path: `${base}/admission/mutate` })
  const outcome = await authorize(() => false)(ok)(request, envOf({ service: claimed }))()
  t.is(
    messageOf(outcome),
    'admission.p.example.com "mutate" is forbidden: User "system:anonymous" cannot create resource "admission" ' +
      'in API group "p.example.com" at the cluster scope',
  )
})

test('lets everybody pass when there is no hook', async (t) => {
  t.is(tagOf(await ask(undefined)), '200')
})

/** What a service is told that asks for more, once it is served. */
const access = (hook: Authorize | undefined, wanted: RouteAccess, role?: string) =>
  authorize(hook)((_request, env) =>
    pipe(
      env.mayAccess(wanted),
      TE.map(() => answer),
    ),
  )(
    requestOf({ path, user: { name: 'jane', ...(role === undefined ? {} : { role }) } }),
    envOf({ service: claimed, mayAccess: () => TE.left({ _tag: 'Conflict', message: 'nobody may ask this one' }) }),
  )()

test('asks the hook a second time, with what a route asks for', async (t) => {
  const asked: RequestAttributes[] = []
  const hook: Authorize = (given) => {
    asked.push(given)
    return given.access === undefined
  }
  const outcome = await access(hook, { reqAction: 'a:write', reqRole: 'Viewer' }, 'Admin')
  t.is(messageOf(outcome), denied)
  const [first, second] = asked
  t.is(asked.length, 2)
  t.is(first && 'access' in first, false)
  t.deepEqual(second, { ...first, access: { reqAction: 'a:write', reqRole: 'Viewer' } } as RequestAttributes)
  t.is(tagOf(await access(() => true, { reqAction: 'a:write' })), '200')
})

for (const [what, hook] of Object.entries(mistakes)) {
  test(`never takes ${what} for leave when it is asked a second time`, async (t) => {
    const second = ((given: RequestAttributes) => (given.access === undefined ? true : hook())) as Authorize
    t.is(tagOf(await access(second, { reqRole: 'Viewer' }, 'Admin')), 'Unexpected')
  })
}

test('waits no longer for the second answer than for the first', async (t) => {
  const slowly: Authorize = (given) => given.access === undefined || new Promise(() => undefined)
  const client = new AbortController()
  const env = envOf({ signal: client.signal, timeoutMs: 5 })
  const handle: Handle = (_request, { mayAccess }) =>
    pipe(
      mayAccess({ reqRole: 'Viewer' }),
      TE.map(() => answer),
    )
  t.is(tagOf(await authorize(slowly)(handle)(requestOf({ path }), env)()), 'PluginTimeout')
  const left = authorize(slowly)(handle)(requestOf({ path }), { ...env, timeoutMs: 3_600_000 })()
  await new Promise(setImmediate)
  client.abort()
  t.is(tagOf(await left), 'Cancelled')
})

const byRole: ReadonlyArray<readonly [wanted: RouteAccess, role: string | undefined, isAllowed: boolean]> = [
  [{ reqRole: 'Viewer' }, 'Viewer', true],
  [{ reqRole: 'Viewer' }, 'Admin', true],
  [{ reqRole: 'Editor' }, 'Editor', true],
  [{ reqRole: 'Editor' }, 'Admin', true],
  [{ reqRole: 'Admin' }, 'Admin', true],
  [{ reqRole: 'Admin' }, 'Editor', false],
  [{ reqRole: 'Editor' }, 'Viewer', false],
  [{ reqRole: 'Viewer' }, undefined, false],
  [{ reqRole: 'Viewer' }, 'None', false],
  [{ reqRole: 'Viewer' }, 'admin', false],
  [{ reqRole: 'Grafana Admin' }, 'Grafana Admin', false],
  [{ reqRole: '' }, 'Admin', false],
  [{}, 'Admin', false],
  [{}, undefined, false],
  [{ reqAction: 'a:write' }, 'Admin', false],
  [{ reqAction: 'a:write', reqRole: 'Viewer' }, 'Admin', false],
]
for (const [wanted, role, isAllowed] of byRole) {
  test(`${isAllowed ? 'grants' : 'denies'} ${JSON.stringify(wanted)} to role ${String(role)} where there is no hook`, async (t) => {
    const outcome = await access(undefined, wanted, role)
    t.is(tagOf(outcome), isAllowed ? '200' : 'Forbidden')
    if (wanted.reqAction !== undefined) t.is(messageOf(outcome), `${denied}: action "a:write" needs option authorize`)
    else if (!isAllowed) t.is(messageOf(outcome), `${denied}: needs role "${wanted.reqRole ?? ''}"`)
  })
}
