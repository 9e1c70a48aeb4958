import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'

import test, { type ExecutionContext } from 'ava'
import express from 'express'

import {
  createServer,
  dataPlaneAggregator,
  memorySource,
  pluginDirectory,
  staticContexts,
  type AggregatorOptions,
  type inProcess,
} from '../../src/index.ts'
import type { CallResourceRequest } from '../../src/plugin.ts'
import { writeScriptedPlugin } from '../../src/testing/index.ts'
import { base, listen, makeAggregator, manifest, type Made } from '../_setup/aggregator.ts'
import { temporaryDirectory } from '../plugins/_setup.ts'

type Resource = NonNullable<Parameters<typeof inProcess>[0][string]['callResource']>

const resources = `${base}/namespaces/default/datasources/h1/resources`

/** A server whose plugin answers resources so; gives its URL. */
const serve = async (t: ExecutionContext, callResource: Resource, made: Made = {}): Promise<string> => {
  const aggregator = await makeAggregator(t, {
    plugin: { callResource },
    manifests: [manifest([{ type: 'route' }])],
    ...made,
  })
  return listen(t, createServer(express().use(aggregator)))
}

const textOf = async (stream: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}

interface Raw {
  readonly method?: string
  /** As pairs, one after the other: spelled, ordered and repeated just so. */
  readonly headers?: ReadonlyArray<string>
  readonly body?: string
}

/** A request just as it is written here: `fetch` would correct its path and headers. */
const send = async (
  url: string,
  path: string,
  { method = 'GET', headers = [], body }: Raw = {},
): Promise<IncomingMessage & { readonly text: string }> => {
  const request = httpRequest(url, { method, path, headers: ['Host', 'h', ...headers] }).end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return Object.assign(response, { text: await textOf(response) })
}

/** As a client may spell them, twice over. */
const inbound: ReadonlyArray<readonly [name: string, value: string]> = [
  ['Authorization', 'Bearer secret-1'],
  ['aUTHORIZATION', 'Basic secret-2'],
  ['Proxy-Authorization', 'Basic secret-3'],
  ['Cookie', 'app_theme=dark; other=secret-4'],
  ['COOKIE', 'grafana_session=secret-5; app_lang=en'],
  ['X-Api-Key', 'secret-6'],
  ['X-ID-Token', 'secret-7'],
  ['X-Grafana-Id', 'secret-8'],
  ['X-Grafana-User', 'secret-9'],
  ['X-Grafana-Device-Id', 'secret-10'],
  ['X-Remote-User', 'secret-11'],
  ['X-Remote-Extra-Scopes', 'secret-12'],
  ['Impersonate-User', 'secret-13'],
  ['X-Forwarded-For', 'secret-14'],
  ['Forwarded', 'for=secret-15'],
  ['X-DS-Authorization', 'Bearer secret-16'],
  ['X-Access-Token', 'secret-17'],
  ['http_Authorization', 'secret-18'],
  ['__proto__', 'secret-19'],
  ['constructor', 'secret-20'],
  ['User-Agent', 'secret-21'],
  ['Referer', 'http://secret-22'],
  ['Origin', 'http://secret-23'],
  ['TE', 'secret-24'],
  ['Connection', 'X-Panel-Title, close'],
  ['X-Panel-Title', 'secret-25'],
  ['X-Panel-Id', '7'],
  ['x-panel-ID', '8'],
  ['ACCEPT', 'text/csv'],
  ['Range', 'bytes=0-9'],
  ['X-Mine', 'a'],
  ['Content-Encoding', 'gzip'],
  ['content-TYPE', 'text/x'],
]

test('lets a plugin see listed headers alone, whatever the client sends (S7, S8, S16, S20)', async (t) => {
  const seen: CallResourceRequest[] = []
  const url = await serve(
    t,
    (request) => {
      seen.push(request)
      return [{}]
    },
    {
      headers: { request: ['x-mine'] },
      contexts: staticContexts({
        datasources: [{ uid: 'h1', type: 'hello', jsonData: { keepCookies: ['app_[]'], oauthPassThru: true } }],
      }),
    },
  )
  const path = `${resources}/a?access_token=secret-26&b=%2F&AUTH%5Ftoken=secret-27`
  const many = Array.from({ length: 900 }, (_, index) => [`x-${String(index)}`, '1'])
  const response = await send(url, path, {
    ...{ method: 'POST', body: 'zip' },
    headers: [...inbound, ...many, ['Content-Length', '3']].flat(),
  })
  t.is(response.statusCode, 200)
  const [request] = seen
  t.deepEqual(request?.headers, {
    Accept: ['text/csv'],
    'Content-Encoding': ['gzip'],
    'Content-Type': ['text/x'],
    Range: ['bytes=0-9'],
    'X-Panel-Id': ['7, 8'],
    'X-Mine': ['a'],
    Cookie: ['app_lang=en; app_theme=dark'],
  })
  t.like(request, { method: 'POST', path: 'a', url: 'a?b=%2F' })
  t.is(Buffer.from(request?.body ?? '').toString(), 'zip')
  t.false(JSON.stringify(seen).includes('secret-'))
})

/** Behind `…/resources`. */
const spellings = [
  ...['', '/', '/a', '/a/', '/a/b', '/A', '/a;x', '/a;x/b', '/a%3Bx', '/a%2Fb', '/a%2fb', '/%2Fa', '/%2f%2fhost/a'],
  ...['/a%5Cb', '/a%3Fb', '/a%23b', '/a%25b', '/a%252Fb', '/%252e%252e/query', '/a%20b', '/%C3%A9', '/a:b', '/query'],
  ...['/resources/a', '//a', '/a//b', '/a//', '/./a', '/../query', '/a/../../query', '/%2e%2e/query', '/.%2E/query'],
  ...['/..%2fquery', '/..%2Fquery', '/..%5cquery', '/..;/query', '/..;x=1/query', '/a/..%2f..%2f..%2fp2%2fquery'],
  ...['/%00', '/a%00b', '/a%0d%0ab', '/%ff', '/%zz', '/%', '/a\\b', '/..\\query', '%2fa', ';x/a'],
]

test('authorizes the path that the plugin gets, or answers 400 (S1)', async (t) => {
  const paths: string[] = []
  const calls: CallResourceRequest[] = []
  const url = await serve(
    t,
    (request) => {
      calls.push(request)
      return [{ body: Buffer.from('mine') }]
    },
    {
      authorize: ({ path }) => {
        paths.push(path)
        return true
      },
    },
  )
  const refused: string[] = []
  for (const spelling of spellings) {
    const { statusCode, text } = await send(url, `${resources}${spelling}`)
    const [authorized] = paths.splice(0)
    const [called] = calls.splice(0)
    if (statusCode === 200) {
      t.is(text, 'mine', spelling)
      const read = new URL(`http://plugin/${String(called?.path)}`)
      const tail = read.pathname.slice(1)
      const same = [`${resources}/${tail}`, `${resources}${tail}`].map(decodeURIComponent)
      t.true(same.includes(decodeURIComponent(authorized ?? '')), spelling)
      t.is(`${read.search}${read.hash}`, '', spelling)
      t.is(String(called?.url).replace('%3A', ':'), spelling.replace(/^\//, ''), spelling)
    } else {
      t.is(statusCode, 400, spelling)
      t.is(called, undefined, spelling)
      refused.push(spelling)
    }
  }
  t.deepEqual(refused, spellings.slice(spellings.indexOf('//a')))
})

test('keeps headers of a plugin to itself that act on the origin or the connection (S11, S12, S16)', async (t) => {
  const url = await serve(t, ({ path }) => [
    {
      body: Buffer.from('<script>alert(1)</script>'),
      headers: {
        'Content-Type': ['text/html'],
        'content-length': ['3'],
        'Transfer-Encoding': ['chunked, gzip'],
        'SET-COOKIE': ['a=1'],
        'Content-Security-policy': ["default-src 'unsafe-inline'"],
        Connection: ['etag'],
        ETag: ['1'],
        'Access-Control-Allow-Origin': ['*'],
        'X-Accel-Redirect': ['/etc/passwd'],
        'X-Content-Type-Options': ['sniff'],
        'WWW-Authenticate': ['Basic'],
        'x\r\ny': ['z'],
        'X-Other': ['x\r\ny: z'],
        ...(path === 'broken' ? { Link: ['x\r\ny: z'] } : {}),
        ...(path === 'away' ? { Location: ['//evil.example'] } : { Location: ['../a'] }),
      },
      status: path === 'away' ? 302 : 200,
    },
  ])
  const { statusCode, headers, text } = await send(url, `${resources}/a`)
  const ofServer = ['connection', 'date', 'keep-alive', 'x-powered-by']
  const own = Object.fromEntries(Object.entries(headers).filter(([name]) => !ofServer.includes(name)))
  t.is(statusCode, 200)
  t.is(text, '<script>alert(1)</script>')
  t.deepEqual(own, {
    'cache-control': 'no-cache, private',
    'content-length': String(text.length),
    'content-security-policy': 'sandbox',
    'content-type': 'text/html',
    location: '../a',
    'x-content-type-options': 'nosniff',
  })
  for (const path of ['broken', 'away']) {
    const refused = await send(url, `${resources}/${path}`)
    t.is(refused.statusCode, 502)
    t.is(refused.headers.location, undefined)
    t.is(refused.headers['content-security-policy'], 'sandbox')
    t.like(JSON.parse(refused.text), { kind: 'Status', code: 502, reason: 'BadGateway' })
  }
})

test('streams each message when it is there, and cuts off a body that the plugin does not finish', async (t) => {
  let goOn = (): void => undefined
  const url = await serve(t, async function* ({ path }) {
    yield { body: Buffer.from('first') }
    await new Promise<void>((resolve) => (goOn = resolve))
    yield {}
    yield { body: Buffer.from('second') }
    if (path === 'half') throw new Error('secret')
  })
  for (const path of ['whole', 'half']) {
    const { body, status } = await fetch(`${url}${resources}/${path}`)
    t.is(status, 200)
    const reader = body?.getReader()
    const first = await reader?.read()
    t.is(Buffer.from(first?.value ?? []).toString(), 'first')
    goOn()
    const rest = async (): Promise<string> => {
      let text = ''
      for (let step = await reader?.read(); step?.done === false; step = await reader?.read())
        text += Buffer.from(step.value).toString()
      return text
    }
    if (path === 'whole') t.is(await rest(), 'second')
    else await t.throwsAsync(rest())
  }
})

test('carries a mebibyte both ways, byte for byte, and refuses what is more than the limit', async (t) => {
  const url = await serve(t, ({ body }) => [{ body: body.subarray(0, 1000) }, { body: body.subarray(1000) }], {
    limits: { bodyBytes: 1024 * 1024 },
  })
  const body = Buffer.alloc(
    1024 * 1024,
    Uint8Array.from({ length: 251 }, (_, index) => index),
  )
  const response = await fetch(`${url}${resources}/a`, { method: 'PUT', body })
  t.true(Buffer.from(await response.arrayBuffer()).equals(body))
  const refused = await send(url, `${resources}/a`, { method: 'PUT', headers: ['Content-Length', '1048577'] })
  t.is(refused.statusCode, 413)
  t.regex(refused.text, /limits\.bodyBytes/)
})

test('tells the plugin when the client leaves', async (t) => {
  let left = (): void => undefined
  const gone = new Promise<void>((resolve) => (left = resolve))
  const url = await serve(t, async function* (_request, { signal }) {
    signal.addEventListener('abort', left)
    yield { body: Buffer.from('first') }
    await new Promise(() => undefined)
  })
  const controller = new AbortController()
  const { body } = await fetch(`${url}${resources}/a`, { signal: controller.signal })
  await body?.getReader().read()
  controller.abort()
  await gone
  t.pass()
})

test('answers without a body where there is none: HEAD, 204, 304', async (t) => {
  const url = await serve(t, ({ path }) => [
    { status: Number(path), headers: { ETag: ['"1"'] }, body: Buffer.from('abc') },
    { body: Buffer.from('more') },
  ])
  for (const [method, status] of [
    ['HEAD', 200],
    ['HEAD', 404],
    ['GET', 204],
    ['GET', 304],
  ] as const) {
    const { statusCode, headers, text } = await send(url, `${resources}/${String(status)}`, { method })
    t.like({ statusCode, text, etag: headers.etag }, { statusCode: status, text: '', etag: '"1"' })
    t.is(headers['content-length'], undefined)
  }
})

test('answers an error of the call with its own code, before anything is out', async (t) => {
  const unavailable = Object.assign(new Error(), { _tag: 'PluginUnavailable', message: 'gone', retryAfterSeconds: 7 })
  const url = await serve(t, ({ path }) => {
    if (path === 'down') throw unavailable
    return []
  })
  const silent = await send(url, `${resources}/silent`)
  t.like(JSON.parse(silent.text), { code: 502, message: 'the plugin answered with nothing at all' })
  const down = await send(url, `${resources}/down`)
  t.like(JSON.parse(down.text), { code: 503, message: 'gone' })
  t.is(down.headers['retry-after'], '7')

  const aggregator = await makeAggregator(t, { plugin: {}, manifests: [manifest([{ type: 'route' }])] })
  const other = await listen(t, createServer(express().use(aggregator)))
  t.like(JSON.parse((await send(other, resources)).text), { code: 501 })
})

test('gives whoever asks for events the time of a long request, and no other', async (t) => {
  let goOn = (): void => undefined
  const ready = new Promise<void>((resolve) => (goOn = resolve))
  const url = await serve(
    t,
    async function* ({ path }) {
      yield { body: Buffer.from('data: 1\n\n'), headers: { 'Content-Type': ['text/event-stream'] } }
      await (path === 'events' ? ready : new Promise(() => undefined))
      yield { body: Buffer.from('data: 2\n\n') }
    },
    { limits: { requestTimeoutMs: 50 } },
  )
  const events = await fetch(`${url}${resources}/events`, { headers: { accept: 'text/event-stream' } })
  const cut = await fetch(`${url}${resources}/other`)
  await t.throwsAsync(cut.text())
  goOn()
  t.is(await events.text(), 'data: 1\n\ndata: 2\n\n')
})

test('serves custom routes with parameters and methods, several per object, beside resources', async (t) => {
  const services = [
    { type: 'route' },
    { type: 'route', method: 'GET', path: '/reports/{id}' },
    { type: 'route', method: 'POST', path: '/reports' },
    { type: 'route', path: '/reports/{id}/files/*' },
    { type: 'query' },
  ]
  const url = await serve(
    t,
    ({ method, path, url: target, pluginContext }) => [
      { body: Buffer.from(JSON.stringify([method, path, target, pluginContext.dataSourceInstanceSettings?.uid])) },
    ],
    { manifests: [manifest(services)] },
  )
  const namespace = `${base}/namespaces/default`
  const asked: ReadonlyArray<readonly [method: string, path: string, told: ReadonlyArray<unknown>]> = [
    ['GET', '/reports/a%20b?x=1', ['GET', 'reports/a b', 'reports/a%20b?x=1', null]],
    ['HEAD', '/reports/1', []],
    ['POST', '/reports', ['POST', 'reports', 'reports', null]],
    ['PATCH', '/reports/1/files/x%2Fy', ['PATCH', 'reports/1/files/x%2Fy', 'reports/1/files/x%2Fy', null]],
    ['GET', '/connections/h1/resources/r', ['GET', 'r', 'r', 'h1']],
  ]
  for (const [method, path, told] of asked) {
    const { statusCode, text } = await send(url, `${namespace}${path}`, { method })
    t.is(statusCode, 200, path)
    t.deepEqual(text === '' ? [] : JSON.parse(text), told)
  }
  const other = await send(url, `${namespace}/reports/1`, { method: 'DELETE' })
  t.is(other.statusCode, 405)
  t.is(other.headers.allow, 'GET, HEAD')
  t.is((await send(url, `${namespace}/reports/a%2Fb`)).statusCode, 400)
  t.is((await send(url, `${namespace}/datasources/none/resources`)).statusCode, 404)
})

test('cuts the body of a plugin process that dies half way, and serves the next one', async (t) => {
  const directory = temporaryDirectory(t)
  const part = { status: 200, body: Buffer.from('part') }
  await writeScriptedPlugin(directory, {
    id: 'hello',
    on: {
      callResource: [
        { answers: [part, {}, part], then: { exit: 7 } },
        { answers: [{ headers: { 'X-A': ['1'], 'Content-Type': ['text/csv'] }, body: Buffer.from('a\n') }, part] },
      ],
    },
  })
  const options: AggregatorOptions = {
    source: memorySource([manifest([{ type: 'route' }])]),
    plugins: pluginDirectory(directory, { backoff: { initialMs: 1, maxMs: 1, resetAfterMs: 60_000 } }),
    contexts: staticContexts({ datasources: [{ uid: 'h1', type: 'hello' }] }),
  }
  const aggregator = dataPlaneAggregator(options)
  t.teardown(() => aggregator.close())
  const url = await listen(t, createServer(express().use(aggregator)))
  const broken = await fetch(`${url}${resources}/a`)
  t.is(broken.status, 200)
  await t.throwsAsync(broken.text())

  let next = await fetch(`${url}${resources}/a`)
  while (next.status === 503) {
    t.like(await next.json(), { code: 503, reason: 'ServiceUnavailable' })
    next = await fetch(`${url}${resources}/a`)
  }
  t.is(next.status, 200)
  t.is(next.headers.get('content-type'), 'text/csv')
  t.is(next.headers.get('x-a'), null)
  t.is(await next.text(), 'a\npart')
})
