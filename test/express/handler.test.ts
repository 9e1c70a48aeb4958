import { once } from 'node:events'
import { createServer as createHttpServer, request as httpRequest, type RequestListener } from 'node:http'
import { connect } from 'node:net'

import test, { type ExecutionContext } from 'ava'
import express from 'express'
import express4 from 'express4'

import { createServer } from '../../src/index.ts'
import { base, listen, makeAggregator, post, queryBody, queryPath, type Made } from '../_setup/aggregator.ts'

const echo: express.RequestHandler = async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  response.json({ next: request.originalUrl, headers: request.headers, body: Buffer.concat(chunks).toString() })
}

/** Express 5 with the aggregator first and an echo behind it. */
const serve = async (t: ExecutionContext, made: Made = {}): Promise<string> => {
  const aggregator = await makeAggregator(t, made)
  return listen(t, createServer(express().use(aggregator).use(echo)))
}

const statusOf = async (
  response: Response,
): Promise<{ code: number; reason: string; message: string; details?: { causes?: Array<{ field: string }> } }> => {
  const body = await response.json()
  return body as never
}

test('hands an unclaimed request on untouched, body and headers as sent', async (t) => {
  const url = await serve(t)
  const response = await post(`${url}/anything-else?x=1`, 'some text', {
    'x-odd': 'Ünï',
    'content-type': 'text/weird',
  }).catch(() => post(`${url}/anything-else?x=1`, 'some text', { 'x-odd': 'odd', 'content-type': 'text/weird' }))
  const { next, headers, body } = (await response.json()) as {
    next: string
    headers: Record<string, string>
    body: string
  }
  t.is(next, '/anything-else?x=1')
  t.is(body, 'some text')
  t.is(headers['content-type'], 'text/weird')
  t.is(response.headers.get('x-content-type-options'), null)
})

test('calls next() synchronously, with no argument, for paths next to claimed ones', async (t) => {
  const aggregator = await makeAggregator(t)
  const paths = [
    '/',
    '/api/v1',
    '/apis/next.example.com/v1',
    `${base}/`,
    `${base}/namespaces/default/datasources`,
    `${queryPath}/`,
    '/apis/hello.example.com/v2/namespaces/default/datasources/h1/query',
    'http://elsewhere/',
    '*',
  ]
  for (const url of paths) {
    const calls: unknown[][] = []
    const request = { method: 'GET', url, headers: {} }
    aggregator(request as never, {} as never, (...args) => calls.push(args))
    t.deepEqual(calls, [[]], url)
  }
})

test('calls next() before the first snapshot is there', async (t) => {
  const silent = { subscribe: () => () => Promise.resolve() }
  const { dataPlaneAggregator, inProcess, staticContexts } = await import('../../src/index.ts')
  const aggregator = dataPlaneAggregator({ source: silent, plugins: inProcess({}), contexts: staticContexts({}) })
  t.teardown(() => aggregator.close())
  const url = await listen(t, createServer(express().use(aggregator).use(echo)))
  t.like(await (await post(url + queryPath, queryBody)).json(), { next: queryPath })
})

const hosts: Record<string, (aggregator: express.RequestHandler) => RequestListener> = {
  'Express 5': (aggregator) => express().use(aggregator).use(echo),
  'Express 4': (aggregator) => express4().use(aggregator).use(echo),
  'Express 5 behind express.json()': (aggregator) => express().use(express.json()).use(aggregator).use(echo),
  'Express 4 behind express.json()': (aggregator) => express4().use(express4.json()).use(aggregator).use(echo),
  'Express 5 behind express.text()': (aggregator) =>
    express()
      .use(express.text({ type: '*/*' }))
      .use(aggregator),
  'Express 5 behind express.raw()': (aggregator) =>
    express()
      .use(express.raw({ type: '*/*' }))
      .use(aggregator),
  'a plain http server': (aggregator) => (request, response) => {
    aggregator(request as never, response as never, () => response.end('next'))
  },
}
for (const [name, host] of Object.entries(hosts)) {
  test(`answers a query in ${name}`, async (t) => {
    const aggregator = await makeAggregator(t)
    const url = await listen(t, createHttpServer(host(aggregator)))
    const response = await post(url + queryPath, queryBody)
    t.is(response.status, 200)
    t.is(response.headers.get('content-type'), 'application/json')
    t.is(response.headers.get('etag'), null)
    t.is(await response.text(), '{"results":{"A":{"status":200,"frames":[]}}}\n')
  })
}

test('answers below the prefix that it is mounted under, and leaves the rest alone', async (t) => {
  const aggregator = await makeAggregator(t)
  const url = await listen(t, createServer(express().use('/k8s', aggregator).use(echo)))
  t.is((await post(`${url}/k8s${queryPath}`, queryBody)).status, 200)
  t.like(await (await post(url + queryPath, queryBody)).json(), { next: queryPath })
  t.like(await (await post(`${url}/k8s/other`, 'x')).json(), { next: '/k8s/other', body: 'x' })
})

test('decodes JSON whatever the Content-Type says, as curl -d sends it', async (t) => {
  const url = await serve(t)
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  t.is((await post(url + queryPath, queryBody, form)).status, 200)
})

test('refuses a body that a form parser has eaten, at once and by name', async (t) => {
  const aggregator = await makeAggregator(t)
  const app = express()
    .use(express.urlencoded({ extended: false }))
    .use(aggregator)
  const url = await listen(t, createServer(app))
  const response = await post(url + queryPath, queryBody, { 'content-type': 'application/x-www-form-urlencoded' })
  t.is(response.status, 415)
  t.regex((await statusOf(response)).message, /before body parsers/)
})

test('refuses a body that somebody read and threw away, at once', async (t) => {
  const aggregator = await makeAggregator(t)
  const swallow: express.RequestHandler = (request, _response, next) => {
    request.resume().on('end', () => {
      next()
    })
  }
  const url = await listen(t, createServer(express().use(swallow).use(aggregator)))
  t.is((await post(url + queryPath, queryBody)).status, 415)
})

test('prefers the raw body that a host kept to the one that it parsed', async (t) => {
  const seen: string[] = []
  const plugin: Made['plugin'] = {
    queryData: ({ queries }) => {
      seen.push(...queries.map((query) => Buffer.from(query.json).toString()))
      return { responses: {} }
    },
  }
  const aggregator = await makeAggregator(t, { plugin })
  const keep = express.json({
    verify: (request, _response, bytes) => {
      Object.assign(request, { rawBody: bytes })
    },
  })
  const url = await listen(t, createServer(express().use(keep).use(aggregator)))
  await post(url + queryPath, '{"queries":[{"refId":"A","datasource":{"uid":"h1"},"big":9007199254740993}]}')
  t.regex(seen[0] ?? '', /"big":9007199254740993/)
})

const refusals: Record<
  string,
  {
    made?: Made
    path?: string
    body?: unknown
    headers?: Record<string, string>
    method?: string
    code: number
    reason: string
    field?: string
    message?: RegExp
  }
> = {
  'a body that is not JSON': { body: '{"queries": [', code: 400, reason: 'BadRequest', message: /not valid JSON/ },
  'an empty body': { body: '', code: 400, reason: 'BadRequest', message: /got nothing/ },
  'a body that is no object': { body: '[]', code: 400, reason: 'BadRequest' },
  'a wrong type': { body: { queries: [{ refId: 3 }] }, code: 400, reason: 'BadRequest', field: 'queries[0].refId' },
  'no queries': { body: { queries: [] }, code: 400, reason: 'BadRequest', field: 'queries' },
  'another datasource type': {
    body: { queries: [{ datasource: { type: 'other', uid: 'h1' } }] },
    code: 400,
    reason: 'BadRequest',
    field: 'queries[0].datasource.type',
  },
  'another datasource uid': {
    body: { queries: [{ datasource: { type: 'hello', uid: 'x' } }] },
    code: 400,
    reason: 'BadRequest',
    field: 'queries[0].datasource.uid',
  },
  'a time that cannot be read': {
    body: { ...queryBody, from: 'yesterday' },
    code: 400,
    reason: 'BadRequest',
    field: 'from',
  },
  'an unknown datasource': {
    path: queryPath.replace('h1', 'h2'),
    body: { queries: [{ datasource: { uid: 'h2' } }] },
    code: 404,
    reason: 'NotFound',
    message: /"h2" not found/,
  },
  'another method': { method: 'GET', code: 405, reason: 'MethodNotAllowed' },
  'an ambiguous path': {
    path: queryPath.replace('/h1/', '//h1/'),
    body: queryBody,
    code: 400,
    reason: 'BadRequest',
    message: /ambiguous/,
  },
  'an encoded slash in a segment': {
    path: queryPath.replace('h1', 'h%2f1'),
    body: queryBody,
    code: 400,
    reason: 'BadRequest',
    message: /encoded slash/,
  },
  'a body over the limit': {
    made: { limits: { bodyBytes: 64 } },
    body: { ...queryBody, pad: 'x'.repeat(100) },
    code: 413,
    reason: 'RequestEntityTooLarge',
    message: /limits\.bodyBytes/,
  },
  'a compressed body': {
    headers: { 'content-encoding': 'gzip' },
    body: 'x',
    code: 415,
    reason: 'UnsupportedMediaType',
  },
  'a plugin that is not installed': {
    made: { manifests: [{ ...JSON.parse(JSON.stringify(manifestOf('absent'))) }] },
    path: '/apis/absent.example.com/v1/namespaces/default/datasources/h1/query',
    body: { queries: [{ datasource: { uid: 'h1' } }] },
    code: 503,
    reason: 'ServiceUnavailable',
    message: /"absent" is not installed/,
  },
  'a call that the plugin lacks': { made: { plugin: {} }, body: queryBody, code: 501, reason: 'NotImplemented' },
  'a plugin that throws': {
    made: {
      plugin: {
        queryData: () => {
          throw new Error('secret-in-a-stack')
        },
      },
    },
    body: queryBody,
    code: 500,
    reason: 'InternalError',
  },
  'a plugin whose header would begin another (S16)': {
    made: {
      manifests: [manifestOf('hello', [{ type: 'route' }])],
      plugin: { callResource: () => [{ status: 200, headers: { Warning: ['x\r\nset-cookie: a=b'] } }] },
    },
    path: `${base}/namespaces/default/datasources/h1/resources/x`,
    body: {},
    code: 502,
    reason: 'BadGateway',
    message: /"warning"/,
  },
  'a plugin whose status is none': {
    made: {
      manifests: [manifestOf('hello', [{ type: 'route' }])],
      plugin: { callResource: () => [{ status: 101, headers: { upgrade: ['websocket'] } }] },
    },
    path: `${base}/namespaces/default/datasources/h1/resources/x`,
    body: {},
    code: 502,
    reason: 'BadGateway',
  },
  'nobody, where the host asks who it is': {
    made: { authenticate: () => undefined },
    body: queryBody,
    code: 401,
    reason: 'Unauthorized',
  },
  'somebody whom the host fails to find out': {
    made: { authenticate: () => Promise.reject(new Error('secret-in-a-stack')) },
    body: queryBody,
    code: 500,
    reason: 'InternalError',
  },
  'a plugin that answers garbage frames': {
    made: { plugin: { queryData: () => ({ responses: { A: { frames: [Buffer.from('no arrow')] } } }) } },
    body: queryBody,
    code: 502,
    reason: 'BadGateway',
    message: /"A"/,
  },
}

function manifestOf(id: string, services: unknown[] = [{ type: 'query' }]): unknown {
  return {
    apiVersion: 'aggregation.grafana.app/v0alpha1',
    kind: 'DataPlaneService',
    metadata: { name: `v1.${id}.example.com` },
    spec: { pluginID: id, pluginType: 'datasource', group: `${id}.example.com`, version: 'v1', services },
  }
}

for (const [
  name,
  { made, path = queryPath, body, headers, method = 'POST', code, reason, field, message },
] of Object.entries(refusals)) {
  test(`answers ${name} with a Status of code ${String(code)}`, async (t) => {
    const url = await serve(t, made)
    const response = await (method === 'POST' ? post(url + path, body, headers) : fetch(url + path, { method }))
    t.is(response.status, code)
    t.is(response.headers.get('content-type'), 'application/json')
    if (code === 405) t.is(response.headers.get('allow'), 'POST')
    if (code === 503) t.truthy(response.headers.get('retry-after'))
    const status = await statusOf(response)
    t.like(status, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason })
    t.notRegex(JSON.stringify(status), /secret-in-a-stack|node_modules|\.ts:/)
    if (field !== undefined) t.is(status.details?.causes?.[0]?.field, field)
    if (message !== undefined) t.regex(status.message, message)
  })
}

test('asks the host who it is, once, and tells the plugin', async (t) => {
  const asked: unknown[] = []
  const seen: unknown[] = []
  const made: Made = {
    authenticate: async (request) => {
      asked.push(request.url)
      await Promise.resolve()
      return { name: 'jane', role: 'Editor' }
    },
    authorize: ({ user }) => user?.name === 'jane',
    plugin: {
      queryData: ({ pluginContext }) => {
        seen.push(pluginContext.user)
        return { responses: { A: {} } }
      },
    },
  }
  const url = await serve(t, made)
  t.is((await post(url + queryPath, queryBody)).status, 200)
  t.deepEqual(asked, [queryPath])
  t.like(seen, [{ login: 'jane', role: 'Editor' }])
  t.like(await (await post(`${url}/other`, 'x')).json(), { next: '/other' })
  t.is(asked.length, 1)
})

test('takes headers by names of the prototype, and by the thousand (S20)', async (t) => {
  const url = new URL(await serve(t))
  const text = JSON.stringify(queryBody)
  const odd = ['__proto__: x', 'constructor: y', 'toString: z', '__proto__: [object Object]', 'hasOwnProperty: 1']
  const many = Array.from({ length: 2500 }, (_, index) => `${String(index)}:`)
  for (const [headers, code] of [
    [odd, 200],
    [many, 200],
    [[...many, ...many], 431],
  ] as const) {
    const socket = connect(Number(url.port), url.hostname)
    const length = `content-length: ${String(text.length)}`
    socket.end(
      [`POST ${queryPath} HTTP/1.1`, 'host: x', 'connection: close', length, ...headers, '', text].join('\r\n'),
    )
    let answer = ''
    for await (const chunk of socket) answer += String(chunk)
    t.regex(answer, new RegExp(`^HTTP/1\\.1 ${String(code)} `))
  }
  t.is((await post(url.origin + queryPath, queryBody)).status, 200)
})

test('tells the plugin at once when the client leaves', async (t) => {
  let started: () => void = () => undefined
  const begun = new Promise<void>((resolve) => (started = resolve))
  let aborted: () => void = () => undefined
  const left = new Promise<void>((resolve) => (aborted = resolve))
  const plugin: Made['plugin'] = {
    queryData: (_request, { signal }) => {
      signal.addEventListener('abort', () => aborted())
      started()
      return new Promise(() => undefined)
    },
  }
  const url = await serve(t, { plugin })
  const client = new AbortController()
  const request = fetch(url + queryPath, { method: 'POST', body: JSON.stringify(queryBody), signal: client.signal })
  await begun
  client.abort()
  await request.catch(() => undefined)
  await left
  t.pass()
})

test('answers 504 when the plugin takes too long, and names the option', async (t) => {
  const url = await serve(t, {
    plugin: { queryData: () => new Promise(() => undefined) },
    limits: { requestTimeoutMs: 30 },
  })
  const response = await post(url + queryPath, queryBody)
  t.is(response.status, 504)
  t.regex((await statusOf(response)).message, /30 ms/)
})

test('refuses a chunked body once it has grown over the limit', async (t) => {
  const url = new URL(await serve(t, { limits: { bodyBytes: 1000 } }))
  const request = httpRequest({ host: url.hostname, port: url.port, path: queryPath, method: 'POST' })
  const answered = once(request, 'response')
  request.write('{"pad":"')
  request.write('x'.repeat(2000))
  const [response] = (await answered) as [{ statusCode: number }]
  t.is(response.statusCode, 413)
  request.destroy()
})

test('answers 503 to claimed requests while it closes, waits for those under way, and lets the rest pass', async (t) => {
  let finish: (answer: { responses: object }) => void = () => undefined
  let started: () => void = () => undefined
  const begun = new Promise<void>((resolve) => (started = resolve))
  const plugin: Made['plugin'] = {
    queryData: () => {
      started()
      return new Promise((resolve) => (finish = resolve as never))
    },
  }
  const aggregator = await makeAggregator(t, { plugin })
  const url = await listen(t, createServer(express().use(aggregator).use(echo)))
  const running = post(url + queryPath, queryBody)
  await begun
  const closed = aggregator.close()
  const refused = await post(url + queryPath, queryBody)
  t.is(refused.status, 503)
  t.is(refused.headers.get('retry-after'), '1')
  t.like(await (await fetch(`${url}/other`)).json(), { next: '/other' })
  finish({ responses: { A: {} } })
  t.is((await running).status, 200)
  await closed
})

test('cancels what still runs when the drain time is over', async (t) => {
  let started: () => void = () => undefined
  const begun = new Promise<void>((resolve) => (started = resolve))
  const plugin: Made['plugin'] = {
    queryData: () => {
      started()
      return new Promise(() => undefined)
    },
  }
  const aggregator = await makeAggregator(t, { plugin, limits: { drainMs: 10 } })
  const url = await listen(t, createServer(express().use(aggregator)))
  const running = post(url + queryPath, queryBody)
  await begun
  await aggregator.close()
  t.is((await running).status, 503)
})

test('survives a client that sends half a body and leaves', async (t) => {
  const url = new URL(await serve(t))
  const socket = connect(Number(url.port), url.hostname)
  await once(socket, 'connect')
  socket.write(`POST ${queryPath} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"queries"`)
  socket.destroy()
  t.is((await post(url.origin + queryPath, queryBody)).status, 200)
})

test('serves the same to a host with matching constructors as to a default one', async (t) => {
  const aggregator = await makeAggregator(t)
  const app = express()
    .use(aggregator)
    .get('/q', (request, response) => void response.json({ ip: request.ip, query: request.query }))
  const fast = await listen(t, createServer(app))
  const plain = await listen(t, createHttpServer(app))
  for (const path of ['/q?a=1', '/missing']) {
    const [a, b] = await Promise.all([fetch(fast + path), fetch(plain + path)])
    t.is(a.status, b.status)
    t.is(await a.text(), await b.text())
    t.deepEqual([...a.headers.keys()], [...b.headers.keys()])
  }
  const app4 = express4().get('/q', (request, response) => void response.json({ query: request.query }))
  const fast4 = await listen(t, createServer(app4))
  t.deepEqual(await (await fetch(`${fast4}/q?a=1`)).json(), { query: { a: '1' } })
})
