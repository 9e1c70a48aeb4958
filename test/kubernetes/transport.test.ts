import { getEventListeners } from 'node:events'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

import test from 'ava'

import { toApiServer } from '../../src/kubernetes/api-server.ts'
import { E } from '../../src/fp.ts'
import { authority, clientCertificate, expiredCertificate, serverCertificate } from '../proxy/_certificates.ts'
import { createManualClock, settle } from '../plugins/_setup.ts'
import {
  closeOf,
  get,
  messageOf,
  plainTransport,
  serve,
  serveProxy,
  serveTcp,
  serveTls,
  textOf,
  tlsTransport,
  transportOf,
} from './_serve.ts'

const opened = async (answer: ReturnType<ReturnType<typeof plainTransport>['open']>) => {
  const given = await answer()
  if (E.isLeft(given)) throw new Error(messageOf(given))
  return given.right
}

test('asks below the base path, with its own headers, a client certificate and the query', async (t) => {
  const served = await serveTls(
    t,
    ({ method, url, headers, socket }, response) => {
      const { subject } = (socket as TLSSocket).getPeerCertificate()
      response.end(JSON.stringify({ method, url, headers, subject: subject.CN }))
    },
    { requestCert: true, ca: authority },
  )
  const url = `https://localhost:${String(served.port)}/k8s/c-1/`
  const transport = transportOf(
    t,
    toApiServer(url, { ca: authority, token: 'secret', headers: { 'X-A': '1' }, namespace: 'a', ...clientCertificate }),
  )
  t.is(transport.origin, `https://localhost:${String(served.port)}`)
  t.is(transport.namespace, 'a')
  const query = new URLSearchParams({ labelSelector: 'a=b,c' })
  const { status, body } = await opened(
    transport.open({ ...get('/api/v1'), method: 'PATCH', query, body: '{"ä":1}', contentType: 'application/merge' }),
  )
  t.is(status, 200)
  t.deepEqual(JSON.parse(await textOf(body)), {
    method: 'PATCH',
    url: '/k8s/c-1/api/v1?labelSelector=a%3Db%2Cc',
    subject: 'client',
    headers: {
      host: `localhost:${String(served.port)}`,
      'user-agent': 'dataplane-aggregator',
      'x-a': '1',
      accept: 'application/json',
      'accept-encoding': 'identity',
      authorization: 'Bearer secret',
      'content-type': 'application/merge',
      'content-length': '8',
      connection: 'keep-alive',
    },
  })
})

test('keeps a connection for the next request, and gives each stream one of its own', async (t) => {
  const served = await serve(t, ({ headers }, response) => response.end(headers.connection))
  const transport = plainTransport(t, served)
  for (let i = 0; i < 3; i++) t.is(await textOf((await opened(transport.open(get()))).body), 'keep-alive')
  t.is(served.sockets.length, 1)
  const stream = await opened(transport.open(get('/api', { isStreamed: true })))
  t.is(await textOf(stream.body), 'close')
  t.is(served.sockets.length, 2)
  await transport.close()
  await served.quiet()
  t.is(messageOf(await transport.open(get())()), 'Cancelled')
})

test('says in a sentence why there is no connection', async (t) => {
  const fine = await serveTls(t, (_request, response) => response.end())
  const expired = await serveTls(t, (_request, response) => response.end(), expiredCertificate)
  const gone = await serveTcp(t, (socket) => socket.destroy())
  const noTls = await serve(t, (_request, response) => response.end())
  const say = async (transport: ReturnType<typeof tlsTransport>) => messageOf(await transport.open(get())())
  t.is(
    await say(transportOf(t, toApiServer(`https://localhost:${String(fine.port)}`, {}))),
    'the apiserver cannot be trusted: its certificate is signed by an unknown authority (UNABLE_TO_VERIFY_LEAF_SIGNATURE)',
  )
  t.is(
    await say(tlsTransport(t, fine, { serverName: 'example.org' })),
    'the apiserver cannot be trusted: its certificate is for another name (ERR_TLS_CERT_ALTNAME_INVALID)',
  )
  t.is(
    await say(transportOf(t, toApiServer(`https://127.0.0.1:${String(fine.port)}`, { ca: authority }))),
    'the apiserver cannot be trusted: its certificate is for another name (ERR_TLS_CERT_ALTNAME_INVALID)',
  )
  t.is(
    await say(tlsTransport(t, expired)),
    'the apiserver cannot be trusted: its certificate has expired (CERT_HAS_EXPIRED)',
  )
  t.is(await say(plainTransport(t, gone)), 'the apiserver closed the connection before it answered (ECONNRESET)')
  t.regex(
    await say(tlsTransport(t, noTls)),
    /^the apiserver cannot be reached: TLS failed, is it served by http\? \([A-Z_0-9]+\)$/,
  )
  t.is(
    await say(plainTransport(t, { ...gone, port: 1 })),
    'the apiserver cannot be reached: connection refused (ECONNREFUSED)',
  )
  const named = { ca: authority, serverName: 'localhost' }
  const byAddress = transportOf(t, toApiServer(`https://127.0.0.1:${String(fine.port)}`, named))
  t.is((await opened(byAddress.open(get()))).status, 200)
  const insecure = transportOf(t, toApiServer(`https://127.0.0.1:${String(expired.port)}`, { insecure: true }))
  t.is((await opened(insecure.open(get()))).status, 200)
})

test('takes nothing for an answer that is none', async (t) => {
  const answers = [
    'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
    'nonsense\r\n\r\n',
    `HTTP/1.1 200 OK\r\n${`a: ${'b'.repeat(1000)}\r\n`.repeat(100)}`,
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n',
  ]
  const served = await serveTcp(t, (socket: Socket) => {
    socket.once('data', (bytes: Buffer) => socket.end(answers[Number(/\/(\d) /.exec(bytes.toString())?.[1])] ?? ''))
  })
  const transport = plainTransport(t, served)
  const messages: string[] = []
  for (const i of answers.keys()) messages.push(messageOf(await transport.open(get(`/${String(i)}`))()))
  t.deepEqual(messages, [
    'the apiserver closed the connection before it answered',
    'the apiserver answered with something that is no HTTP (HPE_INVALID_CONSTANT)',
    'the apiserver answered with headers larger than any should be (HPE_HEADER_OVERFLOW)',
    'the apiserver closed the connection before it answered (ECONNRESET)',
  ])
  t.is(messageOf(await transport.open(get('/a b'))()), 'the request has a path or a header that cannot be sent')
  await transport.close()
  await served.quiet()
})

test('gives the answer that comes before all of the request is sent', async (t) => {
  const served = await serveTcp(t, (socket) => {
    socket.once('data', () => {
      socket.end('HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno')
    })
  })
  const transport = plainTransport(t, served)
  const body = 'x'.repeat(20 * 1024 * 1024)
  const { status, body: said } = await opened(transport.open({ ...get(), method: 'POST', body }))
  t.is(status, 413)
  t.is(await textOf(said), 'no')
})

test('sends a GET again whose kept connection was closed meanwhile, and nothing else', async (t) => {
  const asked: string[] = []
  const served = await serveTcp(t, (socket) => {
    let isFirst = true
    socket.on('data', (bytes) => {
      asked.push(bytes.toString().slice(0, 4).trim())
      if (isFirst) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
      else socket.destroy()
      isFirst = false
    })
  })
  const transport = plainTransport(t, served)
  const drain = async () => textOf((await opened(transport.open(get()))).body)
  await drain()
  await drain()
  t.deepEqual(asked, ['GET', 'GET', 'GET'])
  t.is(
    messageOf(await transport.open({ ...get(), method: 'POST' })()),
    'the apiserver closed the connection before it answered (ECONNRESET)',
  )
  t.deepEqual(asked, ['GET', 'GET', 'GET', 'POST'])
})

test('gives up in time, and as soon as nobody waits', async (t) => {
  const { clock, advance } = createManualClock()
  const served = await serve(t, () => undefined)
  const access = toApiServer(`http://127.0.0.1:${String(served.port)}`, {})
  const transport = transportOf(t, access, clock)
  const late = transport.open(get('/a', { headersTimeoutMs: 500 }))()
  await settle()
  await advance(500)
  t.is(messageOf(await late), 'the apiserver did not answer within 500 ms')
  const controller = new AbortController()
  const left = transport.open(get('/a', { signal: controller.signal, isStreamed: true }))()
  controller.abort()
  t.is(messageOf(await left), 'Cancelled')
  t.is(messageOf(await transport.open(get('/a', { signal: controller.signal }))()), 'Cancelled')
  await served.quiet()
})

test('waits ten seconds for TLS, not longer', async (t) => {
  const { clock, advance } = createManualClock()
  const served = await serveTcp(t, (socket) => socket.resume())
  const access = toApiServer(`https://127.0.0.1:${String(served.port)}`, {})
  const transport = transportOf(t, access, clock)
  const answer = transport.open(get())()
  while (served.sockets.length === 0) await settle()
  await advance(10_000)
  t.is(messageOf(await answer), 'the apiserver did not agree on TLS within 10000 ms')
  await served.quiet()
})

test('ends bodies that never come, and those that nobody reads, with the signal and with itself', async (t) => {
  const served = await serve(t, ({ url }, response) => {
    response.flushHeaders()
    if (url === '/much') response.write('x'.repeat(1024 * 1024))
  })
  const transport = plainTransport(t, served)
  const controller = new AbortController()
  const first = await opened(transport.open(get('/none', { signal: controller.signal, isStreamed: true })))
  const ended = textOf(first.body)
  controller.abort()
  await t.throwsAsync(ended)
  const unread = await opened(transport.open(get('/much')))
  const waiting = await opened(transport.open(get('/none', { isStreamed: true })))
  const pending = transport.open(get('/none'))()
  await transport.close()
  await transport.close()
  t.true(unread.body.destroyed && waiting.body.destroyed)
  t.is(messageOf(await pending), 'Cancelled')
  await served.quiet()
})

test('asks once more after a 401 when there is another token, and only then', async (t) => {
  const tokens: string[] = []
  const served = await serve(t, ({ headers }, response) => {
    tokens.push(headers.authorization ?? '')
    response.statusCode = headers.authorization === 'Bearer 2' ? 200 : 401
    response.end()
  })
  let count = 0
  const renewing = plainTransport(t, served, { token: () => String((count += 1)) })
  t.is((await opened(renewing.open(get()))).status, 200)
  const stubborn = plainTransport(t, served, { token: () => Promise.resolve('same') })
  t.is((await opened(stubborn.open(get()))).status, 401)
  const refused = plainTransport(t, served, { token: () => String((count += 1)) })
  t.is((await opened(refused.open(get()))).status, 401)
  t.deepEqual(tokens, ['Bearer 1', 'Bearer 2', 'Bearer same', 'Bearer 3', 'Bearer 4'])
})

test('follows no redirect', async (t) => {
  const served = await serve(t, (_request, response) => response.writeHead(302, { location: '/other' }).end())
  const { status } = await opened(plainTransport(t, served).open(get()))
  t.is(status, 302)
})

test('goes through a proxy that it shows its own login, and TLS lies within', async (t) => {
  const served = await serveTls(t, ({ headers }, response) => response.end(headers.authorization))
  const proxy = await serveProxy(t)
  const proxyUrl = proxy.url.replace('//', '//me:p%40ss@')
  const transport = tlsTransport(t, served, { proxyUrl, token: 'secret' })
  for (const isStreamed of [false, false, true]) {
    const { body } = await opened(transport.open(get('/api', { isStreamed })))
    t.is(await textOf(body), 'Bearer secret')
  }
  const asked = `localhost:${String(served.port)} Basic ${Buffer.from('me:p@ss').toString('base64')}`
  t.deepEqual(proxy.asked, [asked, asked])
  await transport.close()
  await Promise.all([served.quiet(), proxy.served.quiet()])
})

test('asks a proxy by TLS that it trusts as it does the apiserver, and no other', async (t) => {
  const served = await serveTls(t, (_request, response) => response.end('fine'))
  const trusted = await serveProxy(t, serverCertificate)
  const expired = await serveProxy(t, expiredCertificate)
  const transport = tlsTransport(t, served, { proxyUrl: trusted.url })
  t.is(await textOf((await opened(transport.open(get()))).body), 'fine')
  const wary = tlsTransport(t, served, { proxyUrl: expired.url })
  t.is(messageOf(await wary.open(get())()), 'the proxy cannot be reached (CERT_HAS_EXPIRED)')
  t.deepEqual(expired.asked, [])
  await Promise.all([transport.close(), wary.close()])
  await Promise.all([served, trusted.served, expired.served].map(({ quiet }) => quiet()))
})

test('lets go of the signal with the end of an answer, and of a request that failed', async (t) => {
  const served = await serve(t, (_request, response) => response.end('fine'))
  const { signal } = new AbortController()
  const { body } = await opened(plainTransport(t, served).open(get('/api', { signal })))
  t.is(getEventListeners(signal, 'abort').length, 1)
  await textOf(body)
  await closeOf(body)
  await plainTransport(t, { ...served, port: 1 }).open(get('/api', { signal }))()
  t.is(getEventListeners(signal, 'abort').length, 0)
})

test('never takes what a proxy says for an answer of the apiserver', async (t) => {
  const refusing = await serveTcp(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 401 Unauthorized\r\ncontent-length: 5\r\n\r\nhello'))
  })
  const early = await serveTcp(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'))
  })
  const ending = await serveTcp(t, (socket) => socket.destroy())
  const say = async (port: number, isStreamed: boolean) => {
    const proxyUrl = `http://me:secret@127.0.0.1:${String(port)}`
    const transport = transportOf(t, toApiServer('http://127.0.0.1:1', { proxyUrl }))
    return messageOf(await transport.open(get('/api', { isStreamed }))())
  }
  t.is(await say(refusing.port, false), 'the proxy refused the connection (401)')
  t.is(await say(refusing.port, true), 'the proxy refused the connection (401)')
  t.is(await say(early.port, true), 'the proxy refused the connection (200)')
  t.is(await say(ending.port, true), 'the proxy cannot be reached (ECONNRESET)')
  t.is(await say(1, false), 'the proxy cannot be reached (ECONNREFUSED)')
  await Promise.all([refusing, early, ending].map((served) => served.quiet()))
})

test('leaves a proxy alone that does not answer', async (t) => {
  const { clock, advance } = createManualClock()
  const silent = await serveTcp(t, (socket) => socket.resume())
  const options = { proxyUrl: `http://127.0.0.1:${String(silent.port)}` }
  const transport = transportOf(t, toApiServer('https://localhost:1', options), clock)
  const late = transport.open(get('/api', { isStreamed: true }))()
  while (silent.sockets.length === 0) await settle()
  await advance(10_000)
  t.is(messageOf(await late), 'the proxy gave no connection within 10000 ms')
  const pending = transport.open(get())()
  while (silent.sockets.length === 1) await settle()
  await transport.close()
  t.is(messageOf(await pending), 'Cancelled')
  await silent.quiet()
})

test('ends with a tunnel that ends', async (t) => {
  const served = await serveTls(t, (_request, response) => response.flushHeaders())
  const proxy = await serveProxy(t)
  const transport = tlsTransport(t, served, { proxyUrl: proxy.url })
  const { body } = await opened(transport.open(get('/api', { isStreamed: true })))
  const closed = closeOf(body)
  for (const socket of proxy.served.sockets) socket.destroy()
  await closed
  t.true(body.destroyed)
  await served.quiet()
})
