import test from 'ava'

import { E } from '../../src/fp.ts'
import type { HeaderMap, StreamAnswer } from '../../src/http.ts'
import type {
  CallResourceRequest,
  CallResourceResponse,
  DataSourceInstanceSettings,
  HeaderLists,
} from '../../src/plugin.ts'
import { recordingPlugins } from '../../src/testing/recording-plugin.ts'
import type { Made } from '../api/manifests.ts'
import { service } from '../api/manifests.ts'
import { definitions } from '../routing/tables.ts'
import { recordingContexts, serve, settings, type Surroundings } from './serve.ts'

const ds = '/namespaces/team-a/datasources/p1'
const canonical = `/apis/p.example.com/v1${ds}/resources`

const message = (body: string, given: Partial<CallResourceResponse> = {}): CallResourceResponse => ({
  ...{ status: 0, headers: {}, body: Buffer.from(body) },
  ...given,
})

/** Any method below every path that the table names; answers one empty message. */
const ask = async (path: string, given: Omit<Surroundings, 'plugins'> = {}, messages = [message('')]) => {
  const { host, calls } = recordingPlugins({ callResource: messages })
  const of = service([{ type: 'route' }])
  const result = await serve(path, undefined, { method: 'GET', of, plugins: host, ...given })
  return { result, requests: calls.map(({ request }) => request as CallResourceRequest) }
}

/** What a client gets of it, or the message of its failure. */
const answered = async (
  messages: ReadonlyArray<CallResourceResponse>,
  given: Omit<Surroundings, 'plugins'> = {},
  path = '/resources/a/b',
): Promise<StreamAnswer | string> => {
  const { result } = await ask(`${ds}${path}`, given, [...messages])
  if (E.isLeft(result)) return result.left._tag === 'BadPlugin' ? result.left.message : result.left._tag
  if (result.right._tag !== 'Stream') throw new Error(`expected a stream, got ${result.right._tag}`)
  return result.right
}

const routesOf = (services: ReadonlyArray<unknown>, made: Made = {}): ReadonlyArray<string> => {
  const of = service(services, made)
  return of.spec.services.flatMap((entry) =>
    definitions.route.routes(entry, of).map(({ method, path }) => `${method} ${path}`),
  )
}

test('claims the resources of an instance, or what an entry names, with any method or its own', (t) => {
  const entries = [
    { type: 'route' },
    { type: 'route', method: 'GET' },
    { type: 'route', path: '/reports/{id}' },
    { type: 'route', method: 'PUT', path: '/files/*' },
  ]
  const custom = ['* /namespaces/{namespace}/reports/{id}', 'PUT /namespaces/{namespace}/files/*']
  t.deepEqual(routesOf(entries), [
    '* /namespaces/{namespace}/connections/{uid}/resources/*',
    '* /namespaces/{namespace}/datasources/{uid}/resources/*',
    'GET /namespaces/{namespace}/connections/{uid}/resources/*',
    'GET /namespaces/{namespace}/datasources/{uid}/resources/*',
    ...custom,
  ])
  t.deepEqual(routesOf(entries, { pluginType: 'app' }), [
    '* /namespaces/{namespace}/resources/*',
    'GET /namespaces/{namespace}/resources/*',
    ...custom,
  ])
})

const paths: ReadonlyArray<readonly [asked: string, path: string, url: string]> = [
  ['', '', ''],
  ['/', '', ''],
  ['?a=1', '', '?a=1'],
  ['/metrics/find', 'metrics/find', 'metrics/find'],
  ['/metrics/', 'metrics/', 'metrics/'],
  ['/resources/x', 'resources/x', 'resources/x'],
  ['/a%20b/%C3%A9+%3B;x?a=%20&b', 'a b/é+;;x', 'a%20b/%C3%A9+%3B;x?a=%20&b'],
  ['/a%2Fb/%2f%2fhost/c', 'a%2Fb/%2F%2Fhost/c', 'a%2Fb/%2f%2fhost/c'],
  ['/admin%3Fx%23y%5cz', 'admin%3Fx%23y%5Cz', 'admin%3Fx%23y%5cz'],
  ['/100%25/%2541', '100%25/%2541', '100%25/%2541'],
  ['/%7B%22a%22%7D', '{"a"}', '%7B%22a%22%7D'],
  ['/label:x/a:b', 'label:x/a:b', 'label%3Ax/a:b'],
  ['/find?q=%2F..%2F&auth_token=s&r=//x', 'find', 'find?q=%2F..%2F&r=//x'],
]
for (const [asked, path, url] of paths) {
  test(`gives "${asked}" decoded as a path, and as it came as a URL (S1)`, async (t) => {
    const { requests } = await ask(`${ds}/resources${asked}`)
    t.deepEqual(
      requests.map((request) => [request.path, request.url]),
      [[path, url]],
    )
    // what the plugin SDK's httpadapter makes of it, and what was authorized, name the same segments
    const read = new URL(`/${path}`, 'http://plugin').pathname
    t.is(decodeURIComponent(read), decodeURIComponent(`/${(asked.split('?')[0] ?? '').replace(/^\//, '')}`))
  })
}

test('tells the plugin of the instance, the user, the method and the body', async (t) => {
  const contexts = recordingContexts()
  const body = Uint8Array.from([0, 0xff, 0x80])
  const { host, calls } = recordingPlugins({ callResource: [message('')] })
  const user = { name: 'jane' }
  const of = service([{ type: 'route' }])
  await serve(`${ds}/resources/x`, body, { of, plugins: host, contexts, request: { user } })
  t.deepEqual(contexts.asked, [{ pluginId: 'p', pluginType: 'datasource', uid: 'p1', namespace: 'team-a' }])
  const [request] = calls.map((call) => call.request as CallResourceRequest)
  t.like(request, { method: 'POST', pluginContext: { ...settings, user: { login: 'jane' }, namespace: 'team-a' } })
  t.deepEqual(Buffer.from(request?.body ?? ''), Buffer.from(body))
})

const customs: ReadonlyArray<readonly [pluginType: string, path: string, asked: string, path: string, url: string]> = [
  ['app', '/reports/{id}', '/reports/42?full=1', 'reports/42', 'reports/42?full=1'],
  ['datasource', '/reports/{uid}/export', '/reports/a%20b/export', 'reports/a b/export', 'reports/a%20b/export'],
  ['app', '/{kind}', '/a%3Fb:c', 'a%3Fb:c', 'a%3Fb%3Ac'],
  ['datasource', '/files/*', '/files/x%2Fy', 'files/x%2Fy', 'files/x%2Fy'],
  ['app', '/files/{rest...}', '/files', 'files', 'files'],
]
for (const [pluginType, template, asked, path, url] of customs) {
  test(`gives "${asked}" below the namespace to ${template} of no instance, ${pluginType}`, async (t) => {
    const contexts = recordingContexts()
    const of = service([{ type: 'route', path: template }], { pluginType })
    const { requests } = await ask(`/namespaces/n%20s${asked}`, { of, contexts })
    t.deepEqual(
      requests.map((request) => [request.path, request.url]),
      [[path, url]],
    )
    t.deepEqual(contexts.asked, [{ pluginId: 'p', pluginType, uid: undefined, namespace: 'n s' }])
  })
}

/** A provider that knows one datasource. */
const contextsOf = (jsonData: object) => {
  const dataSourceInstanceSettings: DataSourceInstanceSettings = {
    ...{ id: 1, uid: 'p1', name: 'p1', url: '', user: '', database: '', basicAuthEnabled: false, basicAuthUser: '' },
    ...{ jsonData: Buffer.from(JSON.stringify(jsonData)), decryptedSecureJsonData: {}, lastUpdatedMS: 0 },
  }
  return {
    getInstanceSettings: () => () => Promise.resolve(E.right({ ...settings, dataSourceInstanceSettings })),
  }
}

test('gives headers as lists under the names that Go looks up, and what is of the user from the user (S7)', async (t) => {
  const headers: HeaderMap = {
    ...{ 'x-panel-id': '2', 'if-none-match': '"a", "b"', 'x-mine': ['1', '2'], 'x-dashboard-title': 'Gr\u00f6\u00dfe' },
    ...{
      cookie: 'a=1; b=2; grafana_session=s',
      authorization: 'Bearer s',
      'x-id-token': 's',
      'x-ds-authorization': 's',
    },
  }
  const tokens = { access: 'a1', id: 'i1', grafanaId: 'g1' }
  const request = { headers, user: { name: 'jane', tokens } }
  const env = { forwardedHeaders: ['x-mine'] }
  const given = {
    'If-None-Match': ['"a", "b"'],
    'X-Panel-Id': ['2'],
    'X-Dashboard-Title': ['Gr%F6%DFe'],
    'X-Mine': ['1', '2'],
    'X-Grafana-Id': ['g1'],
  }
  const expected: ReadonlyArray<readonly [jsonData: object, HeaderLists]> = [
    [{}, given],
    [
      { keepCookies: ['[]'], oauthPassThru: true },
      { ...given, Cookie: ['a=1; b=2'], Authorization: ['Bearer a1'], 'X-Id-Token': ['i1'] },
    ],
  ]
  for (const [jsonData, lists] of expected) {
    const { requests } = await ask(`${ds}/resources/x`, { request, env, contexts: contextsOf(jsonData) })
    t.deepEqual(
      requests.map((call) => call.headers),
      [lists],
    )
  }
})

const heads: ReadonlyArray<
  readonly [title: string, given: Partial<CallResourceResponse>, status: number, headers: HeaderMap]
> = [
  ['no status', { status: 0 }, 200, { 'content-type': 'application/json' }],
  [
    'an error',
    { status: 503, headers: { 'Retry-After': ['3'] } },
    503,
    { 'content-type': 'application/json', 'retry-after': '3' },
  ],
  ['a 401, which asks nobody to log in', { status: 401 }, 401, { 'content-type': 'application/json' }],
  ['no content', { status: 204 }, 204, {}],
  ['no change', { status: 304, headers: { ETag: ['"a"'] } }, 304, { etag: '"a"' }],
  ['a type in any case', { headers: { 'coNTent-TYPE': ['text/csv'] } }, 200, { 'content-type': 'text/csv' }],
  [
    'two types',
    { headers: { 'Content-Type': ['a/b', 'c/d'], 'content-type': ['e/f'] } },
    200,
    { 'content-type': 'a/b' },
  ],
  [
    'several values',
    { headers: { Vary: ['a', 'b'], vary: ['c'], Link: [] } },
    200,
    { 'content-type': 'application/json', vary: ['a', 'b', 'c'] },
  ],
  ['text beyond Latin-1', { headers: { Link: ['č'] } }, 200, { 'content-type': 'application/json', link: 'Ä\u008d' }],
]
for (const [title, given, status, headers] of heads) {
  test(`answers what the first message says: ${title} (S11)`, async (t) => {
    const policy = { 'Content-Security-Policy': ['*'], 'content-security-POLICY': ['*'] }
    const first = message('', { ...given, headers: { ...policy, ...given.headers } })
    const answer = await answered([first])
    t.like(answer, { status, headers: { ...headers, 'content-security-policy': 'sandbox' } })
    t.is(Object.keys((answer as StreamAnswer).headers).length, Object.keys(headers).length + 1)
  })
}

test('leaves out what belongs to the connection (S16)', async (t) => {
  const headers = { connection: ['ETag, X-A', ' age '], ETag: ['1'], Age: ['1'], Vary: ['a\tb'] }
  const answer = await answered([message('', { headers })])
  t.deepEqual((answer as StreamAnswer).headers, {
    connection: ['ETag, X-A', ' age '],
    vary: 'a\tb',
    'content-security-policy': 'sandbox',
    'content-type': 'application/json',
  })
})

test('refuses an answer without any message, and tells of a failure before the first one', async (t) => {
  t.is(await answered([]), 'the plugin answered with nothing at all')
  const failing = recordingPlugins({})
  const result = await serve(`${ds}/resources`, undefined, { of: service([{ type: 'route' }]), plugins: failing.host })
  t.like(result, { left: { _tag: 'NotImplemented' } })
})

/** Of a request for `…/datasources/p1/resources/a/b`. */
const kept = ['c', 'c/d?x=1#y', './c', '../x', '../', '?q=/../..', '#f', '', 'a%2Fb', '..%20', '...']
const refused = [
  ...[
    '//evil.example',
    '///evil.example',
    'https://evil.example/',
    `http://localhost${canonical}/a`,
    'javascript:1',
    'x:y',
  ],
  ...[
    '/',
    '/login',
    canonical,
    `${canonical}/a`,
    '/apis/p.example.com/v1/namespaces/team-a/datasources/p2/resources/a',
    `${canonical}x`,
  ],
  ...['../..', '../../..', '../../x', '../../../p2/resources', '%2e%2E/..', '.%2e/../', `${canonical}/../query`],
  ...[
    '..%2f..%2fquery',
    'x/..%5c..',
    '..;/..;/',
    '%2e%2e;x',
    '\\evil',
    '/\\evil.example',
    '..\\..\\',
    ' //evil.example',
    'a b',
    'http://[',
  ],
]
test('lets a redirect lead to where the plugin is itself (S12)', async (t) => {
  for (const location of kept) {
    const answer = await answered([message('', { status: 302, headers: { Location: [location] } })])
    t.like(answer, { status: 302, headers: { location } }, location)
  }
  t.like(await answered([message('', { status: 307 })]), { status: 307 })
})

test('refuses a redirect that leads away, however it is spelled (S12)', async (t) => {
  const expected = `the plugin answered with a redirect that leads away from "${canonical}"`
  for (const location of refused) {
    for (const status of [301, 308]) {
      const headers = { LOCATION: [location, `${canonical}/a`] }
      t.is(await answered([message('', { status, headers })]), expected, location)
    }
  }
  t.like(await answered([message('', { status: 201, headers: { Location: ['/login'] } })]), { status: 201 })
})

test('refuses headers that are larger than clients take, in one value or in many', async (t) => {
  const expected = 'the plugin answered with headers of more than 262144 characters'
  const of = (headers: HeaderLists) => answered([message('', { headers })])
  t.is(await of({ connection: [','.repeat(262_135)] }), expected)
  t.is(await of({ etag: ['x'], vary: Array<string>(30).fill('x'.repeat(10_000)) }), expected)
  t.like(await of({ connection: [','.repeat(262_134)] }), { status: 200 })
})

test('lets a custom route redirect below its own first segment only (S12)', async (t) => {
  const of = service([{ type: 'route', path: '/reports/{id}' }])
  const redirect = async (location: string) => {
    const { result } = await ask('/namespaces/n/reports/1', { of }, [
      message('', { status: 303, headers: { Location: [location] } }),
    ])
    return E.isRight(result)
  }
  t.true(await redirect('2'))
  t.true(await redirect('../reports'))
  t.false(await redirect('../files/2'))
})

test('streams a body for each message that has one, as the same bytes', async (t) => {
  const messages = [message('', { status: 200 }), message('a'), message('', { status: 500 }), message('b')]
  const answer = await answered(messages)
  if (typeof answer === 'string') throw new Error(answer)
  const chunks: unknown[] = []
  for await (const chunk of answer.chunks) chunks.push(chunk)
  t.deepEqual(chunks, [E.right(Buffer.from('a')), E.right(Buffer.from('b'))])
  t.is(E.isRight(chunks[0] as never) && (chunks[0] as { right: unknown }).right, messages[1]?.body)
})

test('breaks off without a farewell where the plugin fails half way', async (t) => {
  const error = { _tag: 'PluginFailed', message: 'x', source: 'plugin' } as const
  const { host } = recordingPlugins({ callResource: [message('a')], error })
  const result = await serve(`${ds}/resources`, undefined, { of: service([{ type: 'route' }]), plugins: host })
  if (E.isLeft(result) || result.right._tag !== 'Stream') throw new Error('expected a stream')
  t.is(result.right.farewell, undefined)
  t.is(result.right.heartbeat, undefined)
  const chunks: unknown[] = []
  for await (const chunk of result.right.chunks) chunks.push(chunk)
  t.deepEqual(chunks, [E.right(Buffer.from('a')), E.left(error)])
})

test('ends the call when the reader leaves', async (t) => {
  const { host } = recordingPlugins({})
  const plugin = host.plugin('p')
  if (plugin === undefined) throw new Error('no plugin')
  let returned = 0
  const iterator = {
    next: () => Promise.resolve({ done: false as const, value: E.right(message('a')) }),
    return: () => {
      returned += 1
      return Promise.resolve({ done: true as const, value: undefined })
    },
  }
  const client = { ...plugin.client, callResource: () => ({ [Symbol.asyncIterator]: () => iterator }) }
  const plugins = { ...host, plugin: () => ({ ...plugin, client }) }
  const result = await serve(`${ds}/resources`, undefined, { of: service([{ type: 'route' }]), plugins })
  if (E.isLeft(result) || result.right._tag !== 'Stream') throw new Error('expected a stream')
  t.is(returned, 0)
  for await (const chunk of result.right.chunks) if (E.isRight(chunk)) break
  t.is(returned, 1)
})

test('takes who asks for events for one who stays, and only his reading for endless', async (t) => {
  const [found] = definitions.route.routes({ type: 'route' }, service([{ type: 'route' }]))
  const isLong = (accept?: string) => found?.isLongRunning?.({ headers: { accept } } as never)
  t.deepEqual(
    [
      undefined,
      '*/*',
      'application/json',
      'text/event-streams',
      'text/event-stream',
      'application/json, Text/Event-Stream;q=0.9',
    ].map(isLong),
    [false, false, false, false, true, true],
  )
  const events = [message('data: 1\n\n', { headers: { 'Content-Type': ['text/event-stream; charset=utf-8'] } })]
  t.like(await answered(events), { isEndless: true })
  t.like(await answered(events, { method: 'POST' }), { isEndless: false })
  t.like(await answered([message('a')]), { isEndless: false })
})
