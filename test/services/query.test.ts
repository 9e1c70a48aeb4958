import test from 'ava'
import fc from 'fast-check'

import { E, TE } from '../../src/fp.ts'
import type { DataResponse, PluginHost } from '../../src/plugin.ts'
import { recordingPlugins } from '../../src/testing/recording-plugin.ts'
import { service } from '../api/manifests.ts'
import { definitions } from '../routing/tables.ts'
import { recordingContexts, serve, settings } from './serve.ts'

const path = '/namespaces/team-a/datasources/p1/query'
const body = '{"queries":[{"refId":"A","datasource":"p1"}],"from":"1","to":"2"}'

const response = (given: Partial<DataResponse>): DataResponse => ({
  ...{ format: 'arrow', frames: [], error: '', errorSource: '', status: 0 },
  ...given,
})
const plugins = (responses: Readonly<Record<string, Partial<DataResponse>>>) =>
  recordingPlugins({
    queryData: { responses: new Map(Object.entries(responses).map(([refId, given]) => [refId, response(given)])) },
  })

const routesOf = (pluginType: string): ReadonlyArray<string> => {
  const of = service([{ type: 'query' }], { pluginType })
  return definitions.query.routes({ type: 'query' }, of).map(({ method, path: template }) => `${method} ${template}`)
}

test('serves both spellings of an instance for a datasource, and no instance for an app', (t) => {
  t.deepEqual(routesOf('datasource'), [
    'POST /namespaces/{namespace}/connections/{uid}/query',
    'POST /namespaces/{namespace}/datasources/{uid}/query',
  ])
  t.deepEqual(routesOf('app'), ['POST /namespaces/{namespace}/query'])
})

const failed = { error: 'no' }
const codes: ReadonlyArray<readonly [title: string, code: number, responses: Record<string, Partial<DataResponse>>]> = [
  ['nothing at all', 200, {}],
  ['success without a status', 200, { A: {} }],
  ['success with a status that contradicts it', 200, { A: { status: 500 } }],
  ['an error without a status', 500, { A: failed }],
  ['an error of nobody in particular', 500, { A: { ...failed, errorSource: 'nobody', status: 200 } }],
  ['an error with its status', 403, { A: { ...failed, status: 403 } }],
  ['an error whose status is none', 500, { A: { ...failed, status: 99 } }],
  ['an error whose status is beyond HTTP', 500, { A: { ...failed, status: 600 } }],
  ["a plugin's error", 502, { A: { ...failed, errorSource: 'plugin', status: 502 } }],
  ['an error behind the plugin', 400, { A: { ...failed, errorSource: 'downstream' } }],
  ['an error of the client, behind the plugin', 429, { A: { ...failed, errorSource: 'downstream', status: 429 } }],
  ['a broken server behind the plugin', 400, { A: { ...failed, errorSource: 'downstream', status: 502 } }],
  ['one failed of two', 404, { B: { ...failed, status: 404 }, A: {} }],
  ['two failed: the first refId decides', 401, { B: { ...failed, status: 403 }, A: { ...failed, status: 401 } }],
  [
    'plugin before downstream, whatever the order',
    503,
    { A: { ...failed, errorSource: 'downstream', status: 404 }, B: { ...failed, errorSource: 'plugin', status: 503 } },
  ],
  [
    'two failed downstream: the first refId decides',
    404,
    {
      b: { ...failed, errorSource: 'downstream', status: 429 },
      B: { ...failed, errorSource: 'downstream', status: 404 },
    },
  ],
  [
    'refIds beyond the basic plane, by code point',
    401,
    { '\u{1f600}': { ...failed, status: 403 }, '\uff5e': { ...failed, status: 401 } },
  ],
  ['refIds like numbers, as texts', 401, { 9: { ...failed, status: 403 }, 10: { ...failed, status: 401 } }],
  ['partial data with an error', 500, { A: { ...failed, frames: [Buffer.of(1)] } }],
]
for (const [title, code, responses] of codes) {
  test(`answers ${String(code)} to ${title}`, async (t) => {
    t.like(await serve(path, body, { plugins: plugins(responses).host }), { right: { status: code } })
  })
}

test('lets the first of any refIds decide, in the order of their bytes', async (t) => {
  const refId = fc.string({ unit: fc.constantFrom('a', 'b', '\uff5e', '\u{1f600}', '\u{1f601}', '\u{20000}') })
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(refId, { minLength: 1 }), async (refIds) => {
      const first = refIds.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))[0]
      const responses = refIds.map((id) => [id, { ...failed, status: id === first ? 418 : 500 }] as const)
      const outcome = await serve(path, body, { plugins: plugins(Object.fromEntries(responses)).host })
      t.like(outcome, { right: { status: 418 } })
    }),
  )
})

test('tells the plugin instance, user, namespace and queries', async (t) => {
  const { host, calls } = plugins({})
  const contexts = recordingContexts()
  const user = { name: 'jane', displayName: 'Jane', email: 'j@example.com', role: 'Editor', groups: ['secret'] }
  await serve(path, body, { plugins: host, contexts, request: { user, headers: { fromalert: 'true' } } })
  t.deepEqual(contexts.asked, [{ pluginId: 'p', pluginType: 'datasource', uid: 'p1', namespace: 'team-a' }])
  t.deepEqual(calls, [
    {
      plugin: 'p',
      call: 'queryData',
      request: {
        pluginContext: {
          appInstanceSettings: undefined,
          dataSourceInstanceSettings: undefined,
          ...settings,
          pluginId: 'p',
          pluginVersion: '1.0.0',
          userAgent: 'Grafana/12.4.0 (linux; amd64)',
          apiVersion: 'v1',
          namespace: 'team-a',
          user: { login: 'jane', name: 'Jane', email: 'j@example.com', role: 'Editor' },
        },
        headers: { FromAlert: 'true' },
        queries: [
          {
            ...{ refId: 'A', queryType: '', maxDataPoints: 100, intervalMS: 1000 },
            timeRange: { fromEpochMS: 1, toEpochMS: 2 },
            json: Buffer.from('{"refId":"A","datasource":{"uid":"p1"}}'),
          },
        ],
      },
    },
  ])
})

test('asks for no instance of an app, and tells no user where there is none', async (t) => {
  const { host, calls } = plugins({})
  const contexts = recordingContexts()
  const of = service([{ type: 'query' }], { pluginType: 'app' })
  await serve('/namespaces/team-a/query', body, { plugins: host, contexts, of })
  t.like(contexts.asked, [{ pluginType: 'app', uid: undefined, namespace: 'team-a' }])
  t.false(JSON.stringify(calls).includes('"user"'))
})

test('gives the bytes of the encoder, as JSON', async (t) => {
  const chunks = [Buffer.from('{"results":{}}\n')]
  const outcome = await serve(path, body, { plugins: plugins({}).host, encode: () => E.right(chunks) })
  t.like(outcome, { right: { _tag: 'Bytes', status: 200, headers: { 'content-type': 'application/json' }, chunks } })
})

test('answers 502 when frames cannot be read', async (t) => {
  const encode = () => E.left('frame 0 of "A" is no Arrow file')
  t.deepEqual(
    await serve(path, body, { plugins: plugins({}).host, encode }),
    E.left({ _tag: 'BadPlugin', message: 'the plugin\'s answer cannot be read: frame 0 of "A" is no Arrow file' }),
  )
})

test('looks for neither plugin nor instance when the body is wrong', async (t) => {
  const { host, calls } = plugins({})
  const contexts = recordingContexts()
  t.like(await serve(path, '{"queries":[]}', { plugins: host, contexts }), { left: { _tag: 'BadRequest' } })
  t.deepEqual([calls, contexts.asked], [[], []])
})

test('says that a plugin is not installed, and when to come again', async (t) => {
  const nobody: PluginHost = { plugin: () => undefined, close: () => Promise.resolve() }
  t.deepEqual(
    await serve(path, body, { plugins: nobody }),
    E.left({ _tag: 'PluginUnavailable', message: 'plugin "p" is not installed', retryAfterSeconds: 10 }),
  )
})

test('calls no plugin for an instance that is not there, and hands on what goes wrong', async (t) => {
  const { host, calls } = plugins({})
  const contexts = { getInstanceSettings: () => TE.left({ _tag: 'NotFound', message: 'no p1' } as const) }
  t.deepEqual(await serve(path, body, { plugins: host, contexts }), E.left({ _tag: 'NotFound', message: 'no p1' }))
  t.deepEqual(calls, [])
  const error = { _tag: 'PluginTimeout', message: 'too slow' } as const
  t.deepEqual(await serve(path, body, { plugins: recordingPlugins({ error }).host }), E.left(error))
})
