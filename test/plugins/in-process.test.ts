import { getEventListeners } from 'node:events'

import test from 'ava'

import { toStatus } from '../../src/errors.ts'
import { E } from '../../src/fp.ts'
import { inProcess, type InProcessPlugin, type QueryDataAnswer } from '../../src/plugins/index.ts'
import { admission, pluginContext, query, within } from './_setup.ts'

const clientOf = (plugin: InProcessPlugin) => {
  const host = inProcess({ testds: plugin })
  const installed = host.plugin('testds')
  if (installed === undefined) throw new Error('not installed')
  return { host, client: installed.client }
}

test('finds plugins by their own ids alone', (t) => {
  const host = inProcess({ testds: { version: '2.0.0' }, other: {} })
  t.like(host.plugin('testds'), { id: 'testds', version: '2.0.0' })
  t.like(host.plugin('other'), { version: '' })
  t.is(host.plugin('toString'), undefined)
  t.is(host.plugin('nobody'), undefined)
})

const frames = [Buffer.from('f')]
const full = { format: 'json', frames, error: '', errorSource: '', status: 0 } as const

const partial = { format: 'json', frames } as const
const shapes: ReadonlyArray<readonly [string, QueryDataAnswer['responses']]> = [
  ['a record', { A: partial }],
  ['a Map', new Map([['A', partial]])],
]
for (const [what, responses] of shapes) {
  test(`fills in what ${what} of responses leaves out`, async (t) => {
    const { client } = clientOf({ queryData: () => ({ responses }) })
    t.deepEqual(await client.queryData(query(), within(5000))(), E.right({ responses: new Map([['A', full]]) }))
  })
}

test('takes promises and values, and hands on the request', async (t) => {
  const { client } = clientOf({
    queryData: (request) => Promise.resolve({ responses: { [request.queries[0]?.refId ?? '']: { status: 204 } } }),
    validateAdmission: ({ operation }) => ({ allowed: operation === 'DELETE' }),
    mutateAdmission: async () => Promise.resolve({ allowed: true, warnings: ['old'] }),
  })
  const result = await client.queryData(query(), within(5000))()
  t.true(E.isRight(result) && result.right.responses.get('A')?.status === 204)
  t.deepEqual(
    await client.validateAdmission(admission, within(5000))(),
    E.right({ allowed: true, result: undefined, warnings: [] }),
  )
  t.deepEqual(
    await client.mutateAdmission(admission, within(5000))(),
    E.right({ allowed: true, result: undefined, warnings: ['old'], objectBytes: new Uint8Array(0) }),
  )
})

test('fills in the answers of the other calls', async (t) => {
  const { client } = clientOf({
    checkHealth: () => ({ status: 'OK' }),
    collectMetrics: () => ({ prometheus: Buffer.from('up 1') }),
    subscribeStream: ({ path }) => ({ status: path === 'p' ? 'OK' : 'NOT_FOUND' }),
    publishStream: () => ({ status: 'PERMISSION_DENIED' }),
    convertObjects: ({ objects }) => ({ objects: objects.toReversed() }),
  })
  const stream = { pluginContext, path: 'p', data: Buffer.of(), headers: {} }
  const objects = [1, 2].map((byte) => ({ raw: Buffer.of(byte), contentType: 'application/json' }))
  const conversion = { pluginContext, uid: 'u1', objects, targetVersion: { group: 'g', version: 'v2' } }
  const data = new Uint8Array(0)
  t.deepEqual(
    await Promise.all([
      client.checkHealth({ pluginContext, headers: {} }, within(5000))(),
      client.collectMetrics({ pluginContext }, within(5000))(),
      client.subscribeStream(stream, within(5000))(),
      client.publishStream(stream, within(5000))(),
      client.convertObjects(conversion, within(5000))(),
    ]),
    [
      E.right({ status: 'OK', message: '', jsonDetails: data }),
      E.right({ prometheus: Buffer.from('up 1') }),
      E.right({ status: 'OK', data }),
      E.right({ status: 'PERMISSION_DENIED', data }),
      E.right({ uid: 'u1', result: undefined, objects: objects.toReversed() }),
    ],
  )
})

test('tells a function the trace of its request', async (t) => {
  const trace = { traceparent: '00-1-2-01' }
  const { client } = clientOf({
    checkHealth: (_request, options) => ({ status: 'OK', message: options.trace?.['traceparent'] ?? '' }),
  })
  const health = await client.checkHealth({ pluginContext, headers: {} }, { ...within(5000), trace })()
  t.like(health, { right: { message: '00-1-2-01' } })
})

test('calls NotImplemented what is left out', async (t) => {
  const { client } = clientOf({})
  t.like(await client.validateAdmission(admission, within(5000))(), {
    left: { _tag: 'NotImplemented', message: 'plugin "testds" does not implement validateAdmission' },
  })
})

const secret = new Error('password is 1234')
for (const [what, queryData] of [
  [
    'throws',
    () => {
      throw secret
    },
  ],
  ['rejects', () => Promise.reject(secret)],
] as const) {
  test(`keeps the message of a function that ${what} for the log`, async (t) => {
    const { client } = clientOf({ queryData })
    const result = await client.queryData(query(), within(5000))()
    t.like(result, { left: { _tag: 'PluginFailed', source: 'plugin', cause: secret } })
    t.true(E.isLeft(result) && toStatus(result.left).message === 'plugin "testds" failed in queryData')
  })
}

test('passes an AggregatorError on as it is', async (t) => {
  const error = { _tag: 'TooManyRequests', message: 'slow down', retryAfterSeconds: 3 } as const
  const { client } = clientOf({ queryData: () => Promise.reject(Object.assign(new Error('x'), error)) })
  t.like(await client.queryData(query(), within(5000))(), { left: error })
})

test('does not take another tagged object for an AggregatorError', async (t) => {
  const { client } = clientOf({ queryData: () => Promise.reject(Object.assign(new Error('x'), { _tag: 'toString' })) })
  t.like(await client.queryData(query(), within(5000))(), { left: { _tag: 'PluginFailed' } })
})

test('takes Cancelled from nobody while the client is there', async (t) => {
  const controller = new AbortController()
  const thrown = { _tag: 'Cancelled' } as const
  const { client } = clientOf({ queryData: () => Promise.reject(Object.assign(new Error('x'), thrown)) })
  t.like(await client.queryData(query(), within(5000, controller.signal))(), { left: { _tag: 'PluginFailed' } })
})

test('takes a member that is undefined for one that is left out', async (t) => {
  const broken = (members: object): object => members
  const { client } = clientOf({
    queryData: () => ({ responses: { A: broken({ ...partial, error: undefined, status: undefined }) } }),
    mutateAdmission: () => ({ allowed: true, ...broken({ warnings: undefined, objectBytes: undefined }) }),
  })
  t.deepEqual(await client.queryData(query(), within(5000))(), E.right({ responses: new Map([['A', full]]) }))
  t.like(await client.mutateAdmission(admission, within(5000))(), {
    right: { warnings: [], objectBytes: new Uint8Array(0) },
  })
})

const never = new Promise<never>(() => undefined)

test('gives up at the deadline on a function that does not listen, and tells it', async (t) => {
  let given: AbortSignal | undefined
  const { client } = clientOf({
    queryData: (_request, { signal }) => {
      given = signal
      return never
    },
  })
  t.like(await client.queryData(query(), within(50))(), { left: { _tag: 'PluginTimeout' } })
  t.true(given?.aborted)
})

test('ends at once when the client leaves', async (t) => {
  const controller = new AbortController()
  const { client } = clientOf({
    queryData: () => {
      controller.abort()
      return never
    },
  })
  t.like(await client.queryData(query(), within(60_000, controller.signal))(), { left: { _tag: 'Cancelled' } })
  t.like(await client.queryData(query(), within(60_000, controller.signal))(), { left: { _tag: 'Cancelled' } })
})

test('takes its listener off the signal, however the call ends', async (t) => {
  const { signal } = new AbortController()
  const { client } = clientOf({ queryData: () => ({ responses: {} }), validateAdmission: () => never })
  await client.queryData(query(), within(5000, signal))()
  await client.validateAdmission(admission, within(20, signal))()
  t.is(getEventListeners(signal, 'abort').length, 0)
})

test('ends running calls when it is closed, and takes no new ones', async (t) => {
  const { host, client } = clientOf({ queryData: () => never })
  const running = client.queryData(query(), within(60_000))()
  await Promise.resolve()
  await host.close()
  await host.close()
  t.like(await running, { left: { _tag: 'PluginUnavailable' } })
  t.like(await client.queryData(query(), within(60_000))(), { left: { _tag: 'PluginUnavailable' } })
})

test('knows the plugin.json that it is given, and refuses what is none', (t) => {
  const host = inProcess({ hello: { pluginJson: { id: 'hello', type: 'datasource', routes: [{ path: 'api' }] } } })
  t.like(host.plugin('hello')?.pluginJson, { routes: [{ path: 'api' }] })
  t.throws(() => inProcess({ hello: { pluginJson: JSON.parse('{"id":"hello","type":"engine"}') as never } }), {
    instanceOf: TypeError,
    message: /^inProcess: pluginJson of "hello": type: expected /,
  })
})
