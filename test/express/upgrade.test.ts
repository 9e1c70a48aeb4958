import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

import test from 'ava'
import express from 'express'
import { Registry } from 'prom-client'
import { WebSocket, WebSocketServer } from 'ws'

import type { RequestAttributes, UpgradeOptions } from '../../src/index.ts'
import { base, listen, makeAggregator, manifest, queryPath } from '../_setup/aggregator.ts'
import { pluginCertificate } from '../plugins/grpc/_certificates.ts'
import { ask, gate, head, say, serve, streaming, streamPath, watch } from './_upgrade.ts'

const manifests = [manifest([{ type: 'stream' }, { type: 'query' }])]

test('sends each chunk as a text message, and closes with 1000 when the plugin has ended the stream', async (t) => {
  const reader = ask(t, await serve(t), 'three')
  t.deepEqual(await reader.closed, { code: 1000, reason: '' })
  t.deepEqual(reader.messages, ['{"first":true}', '{"n":1}', '{"n":2}', '{"n":3}'])
})

test('opens WebSockets over TLS', async (t) => {
  const aggregator = await makeAggregator(t, { plugin: streaming, manifests })
  const server = createTlsServer(pluginCertificate, express().use(aggregator))
  aggregator.upgrade(server, { authenticate: () => ({ name: 'joe' }) })
  await listen(t, server)
  const { port } = server.address() as AddressInfo
  const url = `wss://localhost:${String(port)}${streamPath}/three`
  const reader = watch(
    t,
    new WebSocket(url, { ca: pluginCertificate.cert, origin: `https://localhost:${String(port)}` }),
  )
  t.deepEqual(await reader.closed, { code: 1000, reason: '' })
  t.is(reader.messages.length, 4)
})

test('asks the authorize hook as for any other request, about the user of its own authenticate', async (t) => {
  const asked: RequestAttributes[] = []
  const authorize = (attributes: RequestAttributes): boolean => {
    asked.push(attributes)
    return attributes.user?.name === 'joe'
  }
  const host = await serve(t, { authorize })
  await ask(t, host, 'three').closed
  t.like(asked, [{ user: { name: 'joe' }, verb: 'get', resource: 'datasources', name: 'h1', subresource: 'stream' }])
  const { all } = await say(t, host.url, head(`${streamPath}/three`, { 'x-user': 'jane' }))
  t.regex(await all, /^HTTP\/1\.1 403 [^]*"reason":"Forbidden"/)
})

for (const [what, path, method] of [
  ['a stream', `${streamPath}/three`, 'GET'],
  ['what is no stream', queryPath, 'POST'],
  ['a method that is not allowed', queryPath, 'DELETE'],
  ['an ambiguous path', `${streamPath}/../three`, 'GET'],
] as const) {
  test(`refuses ${what} without credentials, and closes the connection (S15)`, async (t) => {
    const { url } = await serve(t)
    const { all } = await say(t, url, head(path, { 'x-user': undefined }, method))
    t.regex(await all, /^HTTP\/1\.1 401 [^]*connection: close[^]*"reason":"Unauthorized"/i)
  })
}

for (const [what, path, headers, method, answer] of [
  [
    'a protocol other than websocket',
    'three',
    { upgrade: 'h2c' },
    'GET',
    /^HTTP\/1\.1 400 [^]*websocket, got \\"h2c\\"/,
  ],
  ['a method other than GET', 'three', {}, 'HEAD', /^HTTP\/1\.1 400 /],
  ['a body', 'three', { 'content-length': '5' }, 'GET', /^HTTP\/1\.1 400 [^]*expected no body/],
  [
    'another version',
    'three',
    { 'sec-websocket-version': '12' },
    'GET',
    /^HTTP\/1\.1 400 [^]*version: 13[^]*got \\"12\\"/i,
  ],
  ['no key', 'three', { 'sec-websocket-key': undefined }, 'GET', /^HTTP\/1\.1 400 [^]*Sec-WebSocket-Key/],
  [
    'a list of protocols that is none',
    'three',
    { 'sec-websocket-protocol': 'a,,a' },
    'GET',
    /^HTTP\/1\.1 400 [^]*Protocol/,
  ],
  ['what its plugin does not permit', 'secret', {}, 'GET', /^HTTP\/1\.1 403 [^]*"reason":"Forbidden"/],
] as const) {
  test(`answers ${what} with a Status, and reads no request behind it (S14)`, async (t) => {
    let queries = 0
    const plugin = { ...streaming, queryData: () => ({ responses: { A: { status: ++queries } } }) }
    const { url } = await serve(t, { plugin })
    const second = `POST ${queryPath} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}`
    const { socket, all } = await say(t, url, head(`${streamPath}/${path}`, headers, method) + second)
    socket.on('data', () => socket.write(second))
    const said = await all
    t.regex(said, answer)
    t.is(said.split('HTTP/1.1').length, 2)
    t.is(queries, 0)
  })
}

test('refuses to upgrade what is no stream', async (t) => {
  const { url } = await serve(t)
  const { all } = await say(t, url, head(`${base}/namespaces/default/datasources/h1/query`))
  t.regex(await all, /^HTTP\/1\.1 4\d\d [^]*"kind":"Status"/)
})

test('counts in limits.inFlight.longRunning until its connection is closed', async (t) => {
  const host = await serve(t, { limits: { inFlight: { longRunning: 1 } } })
  const first = ask(t, host, 'endless')
  await first.message(0)
  const { all } = await say(t, host.url, head(`${streamPath}/endless`))
  t.regex(await all, /^HTTP\/1\.1 429 [^]*longRunning/)
  first.socket.terminate()
  await first.closed
  const wait = async (): Promise<string> => {
    const next = ask(t, host, 'three')
    const { code } = await next.closed
    return code === 1006 ? wait() : String(code)
  }
  t.is(await wait(), '1000')
})

test('closes with 1001 when its time is over', async (t) => {
  const host = await serve(t, { limits: { longRunningTimeoutMs: 50 } })
  const { code, reason } = await ask(t, host, 'endless').closed
  t.is(code, 1001)
  t.regex(reason, /longRunningTimeoutMs/)
})

test('closes with 1011 and as much of the message as fits, in whole characters', async (t) => {
  const { code, reason } = await ask(t, await serve(t), 'broken').closed
  t.is(code, 1011)
  t.true(Buffer.byteLength(reason) <= 123 && Buffer.byteLength(reason) > 120)
  t.regex(reason, /^[^ü]*ü+$/)
})

test('closes with 1008 when the client says something', async (t) => {
  const reader = ask(t, await serve(t), 'endless')
  await reader.message(0)
  reader.socket.send('{"publish":"me"}')
  t.deepEqual(await reader.closed, { code: 1008, reason: 'nothing is read here: publish with POST' })
})

test('answers pings, and a close with the same code', async (t) => {
  const reader = ask(t, await serve(t), 'endless')
  await reader.message(0)
  reader.socket.ping('hello')
  const [data] = (await once(reader.socket, 'pong')) as [Buffer]
  t.is(data.toString(), 'hello')
  reader.socket.close(3000)
  t.is((await reader.closed).code, 3000)
})

test('is one request to telemetry, which ends once, with 200', async (t) => {
  const metrics = new Registry()
  const host = await serve(t, { metrics })
  await ask(t, host, 'three').closed
  await host.aggregator.close()
  const text = await metrics.metrics()
  const counted = text.split('\n').filter((line) => line.startsWith('dataplane_aggregator_requests_total{'))
  t.is(counted.length, 1)
  t.regex(counted[0] ?? '', /code="200".* 1$/)
})

test('ends endless streams with 1001 at once when it closes, and refuses new ones while it does', async (t) => {
  const calling = gate()
  const called = gate()
  const queryData = async (): Promise<{ responses: Record<string, object> }> => {
    calling.open()
    await called.opened
    return { responses: {} }
  }
  const host = await serve(t, { plugin: { ...streaming, queryData }, limits: { drainMs: 60_000 } })
  const reader = ask(t, host, 'endless')
  await reader.message(0)
  const query = fetch(new URL(queryPath, host.url), {
    method: 'POST',
    body: '{"queries":[{"refId":"A","datasource":{"uid":"h1","type":"hello"}}],"from":"0","to":"1"}',
  })
  await calling.opened
  const closing = host.aggregator.close()
  t.deepEqual(await reader.closed, { code: 1001, reason: 'the server is shutting down' })
  const { all } = await say(t, host.url, head(`${streamPath}/endless`))
  t.regex(await all, /^HTTP\/1\.1 503 [^]*shutting down/)
  called.open()
  await closing
  t.is((await query).status, 200)
})

test('cuts a client that never answers the close', async (t) => {
  const host = await serve(t)
  const { all } = await say(t, host.url, head(`${streamPath}/three`))
  const said = await all
  // close frame with 1000
  t.true(said.endsWith('\x88\x02\x03\xe8'))
})

const origins: ReadonlyArray<readonly [string, Record<string, string>, UpgradeOptions, boolean]> = [
  ['none', {}, {}, true],
  ['of the host, behind TLS that ends elsewhere', { origin: 'https://x' }, {}, true],
  ['of the host, its port being the usual one', { origin: 'http://x', host: 'X:80' }, {}, true],
  ['of another port', { origin: 'http://x:8080' }, {}, false],
  ['of elsewhere', { origin: 'https://evil.example' }, {}, false],
  ['of no page', { origin: 'null' }, {}, false],
  ['that is none', { origin: 'x' }, {}, false],
  ['that is listed', { origin: 'https://a.example' }, { allowedOrigins: ['https://a.example'] }, true],
  ['of the host, where others are listed', { origin: 'https://x' }, { allowedOrigins: ['https://a.example'] }, true],
  [
    'of a page next to the one that is listed',
    { origin: 'http://a.example' },
    { allowedOrigins: ['https://a.example'] },
    false,
  ],
]
for (const [what, headers, options, isAllowed] of origins) {
  test(`${isAllowed ? 'takes' : 'refuses'} an origin ${what}`, async (t) => {
    const { url } = await serve(t, {}, options)
    const { socket, all } = await say(t, url, head(`${streamPath}/three`, headers))
    socket.once('data', () => socket.end())
    t.regex(await all, isAllowed ? /^HTTP\/1\.1 101 / : /^HTTP\/1\.1 403 [^]*allowedOrigins/)
  })
}

test('chooses the first protocol that was asked for, never a token that stands among them', async (t) => {
  const { url } = await serve(t)
  const token = 'base64url.bearer.authorization.k8s.io.c2VjcmV0'
  const { socket, all } = await say(t, url, head(`${streamPath}/three`, { 'sec-websocket-protocol': `${token}, a, b` }))
  socket.once('data', () => socket.end())
  const said = await all
  t.regex(said, /\r\nSec-WebSocket-Protocol: a\r\n/i)
  t.notRegex(said, /c2VjcmV0/)
})

test('refuses to start when nobody says who asks, or an option is wrong', async (t) => {
  const aggregator = await makeAggregator(t)
  const server = createHttpServer()
  const authenticate = (): undefined => undefined
  for (const [given, message] of [
    [undefined, /option authenticate to be a function/],
    [{}, /option authenticate to be a function/],
    [{ authenticate: 'yes' }, /option authenticate to be a function/],
    [{ authenticate, allowedOrigins: 'https://a' }, /option allowedOrigins/],
    [{ authenticate, allowedOrigins: ['https://a/'] }, /option allowedOrigins/],
    [{ authenticate, allowedOrigins: ['*'] }, /option allowedOrigins/],
    [{ authenticate, origins: [] }, /unknown option origins/],
  ] as const) {
    t.throws(() => aggregator.upgrade(server, given as never), { instanceOf: TypeError, message })
  }
  t.throws(() => aggregator.upgrade({} as never, { authenticate }), { instanceOf: TypeError })
  t.is(server.listenerCount('upgrade'), 0)
})

test('asks the authenticate of the aggregator where it has none of its own', async (t) => {
  const aggregator = await makeAggregator(t, { plugin: streaming, manifests, authenticate: () => ({ name: 'joe' }) })
  const server = createHttpServer()
  aggregator.upgrade(server)
  const url = new URL(await listen(t, server))
  t.is((await ask(t, { url }, 'three').closed).code, 1000)
})

for (const order of ['before', 'after'] as const) {
  test(`leaves what nobody claims to a listener of the server that was there ${order} it`, async (t) => {
    const aggregator = await makeAggregator(t, { plugin: streaming, manifests })
    const server = createHttpServer()
    const others = new WebSocketServer({ noServer: true })
    const attach = [
      () => aggregator.upgrade(server, { authenticate: () => ({ name: 'joe' }) }),
      () =>
        server.on('upgrade', (request, socket, rest) => {
          if (request.url !== '/chat') return
          setImmediate(() => {
            others.handleUpgrade(request, socket, rest, (client) => {
              client.send('hello')
              client.close()
            })
          })
        }),
    ]
    for (const step of order === 'before' ? attach.toReversed() : attach) step()
    const url = new URL(await listen(t, server))
    const reader = watch(t, new WebSocket(`ws://${url.host}/chat`))
    await reader.closed
    t.deepEqual(reader.messages, ['hello'])
    t.is((await ask(t, { url }, 'three').closed).code, 1000)
  })
}

test('serves what nobody claims as though it asked for no upgrade, and closes the connection', async (t) => {
  const aggregator = await makeAggregator(t, { plugin: streaming, manifests })
  const app = express()
    .use(aggregator)
    .get('/healthz', (_request, response) => void response.send('fine'))
  const server = createHttpServer(app)
  aggregator.upgrade(server, { authenticate: () => ({ name: 'joe' }) })
  const url = new URL(await listen(t, server))
  const h2c = await say(t, url, head('/healthz', { upgrade: 'h2c' }) + head('/healthz'))
  t.regex(await h2c.all, /^HTTP\/1\.1 200 [^]*connection: close[^]*\r\n\r\nfine$/i)
  const unknown = await say(t, url, head('/nothing'))
  t.regex(await unknown.all, /^HTTP\/1\.1 404 /)
  const body = await say(t, url, `${head('/healthz', { 'content-length': '4', upgrade: 'h2c' }, 'POST')}body`)
  t.regex(await body.all, /^HTTP\/1\.1 400 [^]*expected no body/)
})

test('answers 404 what nobody claims on a server that serves nothing else', async (t) => {
  const aggregator = await makeAggregator(t, { plugin: streaming, manifests })
  const server = createHttpServer()
  aggregator.upgrade(server, { authenticate: () => ({ name: 'joe' }) })
  const { all } = await say(t, new URL(await listen(t, server)), head('/nothing') + head('/nothing'))
  t.regex(await all, /^HTTP\/1\.1 404 [^]*connection: close[^]*"reason":"NotFound"[^]*\}$/i)
})

test('shares a server with another aggregator: the first that claims a path has it, the last answers what none does', async (t) => {
  const server = createHttpServer()
  const made = { plugin: streaming, manifests }
  const aggregators = [
    await makeAggregator(t, { plugin: {}, manifests: [] }),
    await makeAggregator(t, made),
    await makeAggregator(t, made),
    await makeAggregator(t, { plugin: {}, manifests: [] }),
  ]
  const names: string[] = []
  aggregators.forEach((aggregator, i) => {
    aggregator.upgrade(server, { authenticate: () => ({ name: String(names.push(String(i))) }) })
  })
  const url = new URL(await listen(t, server))
  t.is((await ask(t, { url }, 'three').closed).code, 1000)
  t.deepEqual(names, ['1'])
  const { all } = await say(t, url, head('/nothing'))
  t.is((await all).match(/HTTP\/1\.1 404/g)?.length, 1)
})

test('takes no more upgrades once it is detached, or closed', async (t) => {
  const aggregator = await makeAggregator(t, { plugin: streaming, manifests })
  const server = createHttpServer()
  const detach = aggregator.upgrade(server, { authenticate: () => ({ name: 'joe' }) })
  aggregator.upgrade(server, { authenticate: () => ({ name: 'joe' }) })
  t.is(server.listenerCount('upgrade'), 2)
  detach()
  detach()
  t.is(server.listenerCount('upgrade'), 1)
  await aggregator.close()
  t.is(server.listenerCount('upgrade'), 0)
})
