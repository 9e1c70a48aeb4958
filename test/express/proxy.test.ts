import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { gunzipSync, gzipSync } from 'node:zlib'

import test, { type ExecutionContext } from 'ava'
import express from 'express'

import { createServer, staticContexts } from '../../src/index.ts'
import { recordingPlugins } from '../../src/testing/index.ts'
import { base, listen, makeAggregator, manifest, type Made } from '../_setup/aggregator.ts'
import { authority, clientCertificate, serverCertificate } from '../proxy/_certificates.ts'
import { serve, serveBytes, serveTls } from '../proxy/_setup.ts'

type Datasource = NonNullable<Parameters<typeof staticContexts>[0]['datasources']>[number]
type Routes = NonNullable<NonNullable<Parameters<typeof recordingPlugins>[1]>['pluginJson']>['routes']
type Answer = (request: IncomingMessage, response: ServerResponse) => void

interface Proxied extends Made {
  readonly settings?: Omit<Datasource, 'uid' | 'type' | 'url'>
  readonly routes?: Routes
  /** What the app serves it under. */
  readonly mount?: string
}

const path = `${base}/namespaces/default/datasources/h1/proxy`

/** An aggregator before a datasource; gives the URL of the proxied path. The plugin can do nothing. */
const proxyTo = async (
  t: ExecutionContext,
  url: string,
  { settings, routes, mount = '/', ...made }: Proxied = {},
): Promise<string> => {
  const pluginJson = { id: 'hello', type: 'datasource' as const, ...(routes === undefined ? {} : { routes }) }
  const aggregator = await makeAggregator(t, {
    plugins: recordingPlugins({}, { pluginJson }).host,
    contexts: staticContexts({ datasources: [{ uid: 'h1', type: 'hello', url, ...settings }] }),
    manifests: [manifest([{ type: 'datasource-proxy' }])],
    ...made,
  })
  return (await listen(t, createServer(express().use(mount, aggregator)))) + (mount === '/' ? path : mount + path)
}

const before = async (t: ExecutionContext, answer: Answer, proxied?: Proxied): Promise<string> =>
  proxyTo(t, (await serve(t, answer)).url, proxied)

const textOf = async (stream: AsyncIterable<unknown>): Promise<string> => {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}

test('lets a compressed answer through as it is', async (t) => {
  const packed = gzipSync('x'.repeat(1000))
  const url = await before(t, ({ headers }, response) => {
    response.setHeader('content-encoding', headers['accept-encoding'] === 'gzip' ? 'gzip' : 'no')
    response.setHeader('content-type', 'text/plain').end(packed)
  })
  const request = httpRequest(`${url}/a`, { headers: { 'accept-encoding': 'gzip' } }).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  t.is(gunzipSync(Buffer.concat(chunks)).toString(), 'x'.repeat(1000))
  t.like(response.headers, {
    'content-encoding': 'gzip',
    'content-security-policy': 'sandbox',
    'x-content-type-options': 'nosniff',
  })
})

test('sends an answer on as it comes, and tells the datasource when the client leaves', async (t) => {
  let tellClosed = (): void => undefined
  const closed = new Promise<void>((resolve) => {
    tellClosed = resolve
  })
  const url = await before(t, (_, response) => {
    response.on('close', tellClosed).write('first')
  })
  const request = httpRequest(`${url}/a`).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const [chunk] = (await once(response, 'data')) as [Buffer]
  t.is(chunk.toString(), 'first')
  request.on('error', () => undefined).destroy()
  await closed
})

test('sends a small body with its length, and a large one as it comes', async (t) => {
  const url = await before(t, (request, response) => {
    const { 'content-length': length = 'none', 'transfer-encoding': encoding = 'none' } = request.headers
    void textOf(request).then((body) => response.end(`${length} ${encoding} ${String(body.length)}`))
  })
  const post = async (body: string): Promise<string> => (await fetch(`${url}/a`, { method: 'POST', body })).text()
  t.is(await post('small'), '5 none 5')
  t.is(await post('x'.repeat(1_000_000)), 'none chunked 1000000')
  const tooLarge = await fetch(`${url}/a`, { method: 'POST', body: 'x'.repeat(4_000_000) })
  t.is(tooLarge.status, 413)
})

test('answers HEAD, 204 and 304 without a body, over one connection', async (t) => {
  const upstream = await serve(t, ({ url = '' }, response) => {
    response
      .writeHead(Number(url.slice(1)), { etag: '"e"', ...(url === '/200' ? { 'content-length': '7' } : {}) })
      .end(url === '/200' ? 'content' : undefined)
  })
  const url = await proxyTo(t, upstream.url)
  for (const [method, status] of [
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
    ['GET', 200],
  ] as const) {
    const response = await fetch(`${url}/${String(status)}`, { method, headers: { 'if-none-match': '"e"' } })
    t.is(response.status, status)
    t.is(response.headers.get('etag'), '"e"')
    t.is(await response.text(), method === 'GET' && status === 200 ? 'content' : '')
  }
  t.is(upstream.accepted(), 1)
})

test('follows no redirect itself, and brings a client that does back to its own path (S12)', async (t) => {
  const upstream = await serve(t, (request, response) => {
    if (request.url === '/base/end?a=1') response.end('here')
    else {
      const location = request.url === '/base/away' ? 'http://127.0.0.1:1/' : '/base/end?a=1'
      response.writeHead(302, { location }).end()
    }
  })
  const url = await proxyTo(t, `${upstream.url}/base`, { mount: '/mounted' })
  t.is((await fetch(`${url}/away`)).status, 502)
  t.is(await (await fetch(`${url}/x/y`)).text(), 'here')
})

test("reads a datasource's refusal as 400, and asks no browser for a password", async (t) => {
  const url = await before(t, (_, response) => {
    response.writeHead(401, { 'www-authenticate': 'Basic' }).end('who are you?')
  })
  const response = await fetch(`${url}/a`)
  t.like(await response.json(), { kind: 'Status', code: 400, message: 'Authentication to data source failed' })
  t.is(response.headers.get('www-authenticate'), null)
})

test('refuses TRACE, which would show the credentials of the datasource', async (t) => {
  const url = await before(t, ({ headers }, response) => response.end(JSON.stringify(headers)), {
    settings: { basicAuth: true, basicAuthUser: 'joe', secureJsonData: { basicAuthPassword: 'geheim' } },
  })
  const request = httpRequest(`${url}/a`, { method: 'TRACE' }).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  t.is(response.statusCode, 405)
  t.regex(await textOf(response), /MethodNotAllowed/)
})

test('shows a certificate to a datasource that wants one, and checks the other', async (t) => {
  const options = { ...serverCertificate, ca: authority, requestCert: true, rejectUnauthorized: true }
  const { url } = await serveTls(t, options, (_, response) => response.end('secure'))
  const secureJsonData = {
    tlsCACert: authority,
    tlsClientCert: clientCertificate.cert,
    tlsClientKey: clientCertificate.key,
  }
  const jsonData = { tlsAuth: true, tlsAuthWithCACert: true }
  const trusted = await proxyTo(t, url, { settings: { jsonData, secureJsonData } })
  t.is(await (await fetch(`${trusted}/a`)).text(), 'secure')
  const untrusted = await proxyTo(t, url)
  const response = await fetch(`${untrusted}/a`)
  t.is(response.status, 502)
  const { reason, message } = (await response.json()) as { reason: string; message: string }
  t.is(reason, 'BadGateway')
  t.regex(message, /cannot be trusted/)
})

test('tells apart what does not answer in time, what is not there, and what is no HTTP', async (t) => {
  const slow = await before(t, () => undefined, { settings: { jsonData: { timeout: 0.05 } } })
  t.is((await fetch(`${slow}/a`)).status, 504)
  const gone = await proxyTo(t, 'http://127.0.0.1:1')
  t.is((await fetch(`${gone}/a`)).status, 502)
  const garbage = await proxyTo(t, (await serveBytes(t, 'what?\r\n\r\n')).url)
  t.is((await fetch(`${garbage}/a`)).status, 502)
})

test('cuts an answer that breaks off, so that nobody takes a part for the whole', async (t) => {
  const url = await before(t, (_, response) => {
    response.write('a part', () => response.destroy())
  })
  const response = await fetch(`${url}/a`)
  t.is(response.status, 200)
  await t.throwsAsync(response.text())
})

test("never sends one user's token with another's request (S9)", async (t) => {
  const url = await before(
    t,
    ({ url: asked, headers }, response) => response.end(`${asked ?? ''} ${headers.authorization ?? ''}`),
    {
      settings: { jsonData: { oauthPassThru: true } },
      authenticate: ({ headers }) => ({
        name: String(headers['x-who']),
        tokens: { access: `of-${String(headers['x-who'])}` },
      }),
    },
  )
  const asks = Array.from({ length: 100 }, async (_, index) => {
    const who = index % 2 === 0 ? 'jane' : 'joe'
    const response = await fetch(`${url}/${who}`, { headers: { 'x-who': who } })
    return (await response.text()) === `/${who} Bearer of-${who}`
  })
  t.deepEqual(new Set(await Promise.all(asks)), new Set([true]))
})

test('tells a backend who asks, a header for each group', async (t) => {
  const upstream = await serve(t, ({ rawHeaders, url = '' }, response) => {
    const pairs = rawHeaders.flatMap((name, index) =>
      index % 2 === 0 && /^x-remote/i.test(name) ? [[name.toLowerCase(), rawHeaders[index + 1]]] : [],
    )
    response.end(JSON.stringify({ url, pairs: pairs.sort() }))
  })
  const made = manifest([{ type: 'route', path: '/reports/*' }]) as { readonly spec: object }
  const aggregator = await makeAggregator(t, {
    manifests: [{ ...made, spec: { ...made.spec, backend: { type: 'http', baseURL: `${upstream.url}/base` } } }],
    authenticate: () => ({ name: 'jäne', groups: ['a', 'b'] }),
  })
  const url = await listen(t, createServer(express().use(aggregator)))
  const target = `${base}/namespaces/default/reports/a%2Fb?x=1`
  t.deepEqual(await (await fetch(url + target, { headers: { 'x-remote-user': 'admin' } })).json(), {
    url: `/base${target}`,
    pairs: [
      ['x-remote-group', 'a'],
      ['x-remote-group', 'b'],
      ['x-remote-user', Buffer.from('jäne').toString('latin1')],
    ],
  })
})

test('leaves no connection behind when it closes, though a datasource never answers', async (t) => {
  let arrive = (): void => undefined
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve
  })
  const upstream = await serve(t, arrive)
  const pluginJson = { id: 'hello', type: 'datasource' as const }
  const aggregator = await makeAggregator(t, {
    plugins: recordingPlugins({}, { pluginJson }).host,
    contexts: staticContexts({ datasources: [{ uid: 'h1', type: 'hello', url: upstream.url }] }),
    manifests: [manifest([{ type: 'datasource-proxy' }])],
    limits: { drainMs: 1 },
  })
  const url = await listen(t, createServer(express().use(aggregator)))
  const asking = fetch(url + path)
  await arrived
  await aggregator.close()
  t.is((await asking).status, 503)
  await upstream.deserted()
})
