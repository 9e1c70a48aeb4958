import test from 'ava'

import type { Authorize, RequestAttributes } from '../../src/authorization.ts'
import { attributesOf, authorize } from '../../src/layers/authorize.ts'
import { match } from '../../src/routing/match.ts'
import { service } from '../api/manifests.ts'
import { base, routes, tableOf } from '../routing/tables.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'
import { messageOf, ok, slow, tagOf } from './answers.ts'

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

test('stands aside when there is no hook', (t) => {
  t.is(authorize(undefined)(ok), ok)
})
