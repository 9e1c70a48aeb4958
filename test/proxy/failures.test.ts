import type { lookup as systemLookup } from 'node:dns'
import type { ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { inspect } from 'node:util'

import test, { type ExecutionContext } from 'ava'

import type { AggregatorError } from '../../src/errors.ts'
import { createIdentity } from '../../src/plugins/process/certificate.ts'
import { authority, clientCertificate, expiredCertificate, serverCertificate } from './_certificates.ts'
import {
  leftOf,
  makeForwarder,
  readAll,
  rightOf,
  send,
  serve,
  serveBytes,
  serveRaw,
  serveTls,
  textOf,
  type Asked,
} from './_setup.ts'

const head = 'HTTP/1.1 200 OK\r\n'

/** The message without its subject; nothing in it may tell where the server is. */
const messageOf = (t: ExecutionContext, error: AggregatorError): string => {
  const message = 'message' in error ? error.message : ''
  t.notRegex(message, /127\.0\.0\.1|::1|localhost|\d{4,5}\b/)
  return `${error._tag}: ${message.replace('what stands behind this path ', '')}`
}

const failureOf = async (t: ExecutionContext, url: string, asked: Asked = {}): Promise<string> =>
  messageOf(t, leftOf(t, await send(makeForwarder(t), url, asked)))

test('says that a server cannot be reached, and why', async (t) => {
  t.is(await failureOf(t, 'http://127.0.0.1:1/'), 'BadGateway: cannot be reached: connection refused')
  t.is(await failureOf(t, 'http://localhost:1/'), 'BadGateway: cannot be reached: connection refused')
  const lookup = ((_name: string, _options: unknown, callback: (error: Error) => void) => {
    setImmediate(callback, Object.assign(new Error('getaddrinfo ENOTFOUND nobody.invalid'), { code: 'ENOTFOUND' }))
  }) as unknown as typeof systemLookup
  const unknown = leftOf(t, await send(makeForwarder(t, { lookup }), 'http://nobody.invalid/'))
  t.is(messageOf(t, unknown), 'BadGateway: cannot be reached: its name is not known')
})

test('says that a server let go of the connection before it answered', async (t) => {
  const message = 'BadGateway: closed the connection before it answered'
  const endings: ReadonlyArray<Parameters<typeof serveRaw>[1]> = [
    (socket) => socket.destroy(),
    (socket) => socket.once('data', () => socket.resetAndDestroy()),
    (socket) => socket.once('data', () => socket.end()),
    (socket) => socket.once('data', () => socket.end(`${head}content-le`)),
    // an upgrade that nobody asked for
    (socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')),
  ]
  for (const ending of endings) t.is(await failureOf(t, (await serveRaw(t, ending)).url), message)
})

test('gives what came of an answer that broke off, and says that it did', async (t) => {
  const lengths = 'content-length: 10\r\n\r\nhello'
  const chunks = 'transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n'
  for (const ending of [lengths, chunks, `${chunks}zz\r\n`]) {
    const upstream = await serveRaw(t, (socket) => {
      socket.once('data', () => {
        socket.write(`${head}${ending}`, () => socket.end())
      })
    })
    const { bytes, error } = await readAll(rightOf(t, await send(makeForwarder(t), upstream.url)).body)
    // of an answer that is wrong nothing needs to come
    if (!ending.includes('zz')) t.is(bytes.toString(), 'hello')
    t.like(error, { _tag: 'BadGateway', message: 'what stands behind this path broke off its answer' })
    await upstream.deserted()
  }
})

test('takes nothing for an answer that can be read in two ways (S16)', async (t) => {
  const garbage = 'BadGateway: answered with something that is not HTTP'
  const both = 'content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'
  for (const bytes of [
    'SSH-2.0-OpenSSH_9.2\r\n',
    `${head}${both}`,
    `${head}content-length: 5\r\ncontent-length: 6\r\n\r\nhello!`,
    `${head}content-length: 5 5\r\n\r\nhello`,
    `${head}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n`,
    `${head}x-a: 1\rx-b: 2\r\n\r\n`,
    `${head}x-\0: 1\r\n\r\n`,
    `${head}content length: 1\r\n\r\n`,
  ])
    t.is(await failureOf(t, (await serveBytes(t, bytes)).url), garbage, bytes)
  const long = `${head}x-long: ${'x'.repeat(200_000)}\r\n\r\n`
  t.is(await failureOf(t, (await serveBytes(t, long)).url), 'BadGateway: answered with more headers than are read')
})

test('keeps the bytes of a broken answer, and certificates, out of what is logged (S30)', async (t) => {
  const echoing = await serveBytes(t, `${head}authorization: Bearer secret\r\n\0: x\r\n\r\n`)
  const within = await serveBytes(t, `${head}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\nsecret`)
  const tls = await serveTls(t, serverCertificate, (_request, response) => response.end())
  const broken = rightOf(t, await send(makeForwarder(t), within.url))
  const errors = [
    leftOf(t, await send(makeForwarder(t), echoing.url)),
    (await readAll(broken.body)).error,
    leftOf(
      t,
      await send(makeForwarder(t), tls.url.replace('localhost', '127.0.0.1'), {
        transport: { tls: { ca: authority, skipVerify: false } },
      }),
    ),
  ]
  for (const error of errors) {
    t.true(error?._tag === 'BadGateway' && error.cause instanceof Error && error.cause.message !== '')
    const logged = inspect(error, { showHidden: true, depth: null, maxArrayLength: null })
    t.false(logged.includes('secret') || logged.includes('73 65 63 72 65 74') || logged.includes('issuer'))
  }
})

test('gives folded headers as one line, or none (S16)', async (t) => {
  const upstream = await serveBytes(t, `${head}content-length: 0\r\nx-folded: a\r\n b: c\r\n\r\n`)
  const sent = await send(makeForwarder(t), upstream.url)
  t.true(sent._tag === 'Left' || !/[\r\n]/.test(JSON.stringify(sent.right.headers['x-folded'])))
  const bare = await serveBytes(t, 'HTTP/1.1 200 OK\ncontent-length: 2\n\nok')
  const lenient = await send(makeForwarder(t), bare.url)
  t.is(lenient._tag, 'Left')
})

test('gives up after the time for the head, the connection, or TLS', async (t) => {
  const silent = await serveRaw(t, (socket) => socket.resume())
  const within = (did: string): string => `GatewayTimeout: did not ${did} within 30 ms`
  t.is(await failureOf(t, silent.url, { transport: { timeoutMs: 30 } }), within('answer'))
  const tls = silent.url.replace('http:', 'https:')
  t.is(await failureOf(t, tls, { transport: { tlsHandshakeTimeoutMs: 30 } }), within('agree on TLS'))
  await silent.deserted()

  // a name that nobody knows yet
  const lookup = (() => undefined) as unknown as typeof systemLookup
  const slow = await send(makeForwarder(t, { lookup }), 'http://slow.example/', { transport: { dialTimeoutMs: 30 } })
  t.is(messageOf(t, leftOf(t, slow)), within('take a connection'))
})

test('bounds the time for the head only', async (t) => {
  const held = new Map<string, ServerResponse>()
  const upstream = await serve(t, (request, response) => {
    response.write('begun, ')
    held.set(request.url ?? '', response)
  })
  const forwarder = makeForwarder(t)
  // on a busy machine the head may take longer
  for (let timeoutMs = 50; timeoutMs < 30_000; timeoutMs *= 2) {
    const path = `/${String(timeoutMs)}`
    const sent = await send(forwarder, `${upstream.url}${path}`, { transport: { timeoutMs } })
    if (sent._tag === 'Left') continue
    setTimeout(() => held.get(path)?.end('ended'), timeoutMs + 10)
    t.is(await textOf(t, sent), 'begun, ended')
    return
  }
  t.fail('expected an answer')
})

test('trusts a server by the authority that it was given, by its name, and by its time', async (t) => {
  const answer: Parameters<typeof serve>[1] = ({ headers }, response) => response.end(headers.host)
  const server = await serveTls(t, serverCertificate, answer)
  const tls = { ca: authority, skipVerify: false }
  const forwarder = makeForwarder(t)
  for (let count = 0; count < 2; count += 1)
    t.is(await textOf(t, await send(forwarder, server.url, { transport: { tls } })), server.url.slice(8))
  t.is(server.accepted(), 1)

  const fail = (url: string, given: Partial<typeof tls> & { readonly serverName?: string }): Promise<string> =>
    failureOf(t, url, { transport: { tls: { skipVerify: false, ...given } } })
  const distrust = (why: string): string => `BadGateway: cannot be trusted: ${why}`
  const ownIdentity = await createIdentity()
  const own = await serveTls(t, { key: ownIdentity.key, cert: ownIdentity.certificate }, answer)
  const expired = await serveTls(t, expiredCertificate, answer)
  t.is(await fail(server.url, {}), distrust('certificate of an unknown authority'))
  t.is(await fail(own.url, {}), distrust('self-signed certificate'))
  t.is(await fail(own.url, { ca: authority }), distrust('self-signed certificate'))
  t.is(await fail(expired.url, { ca: authority }), distrust('certificate has expired'))
  const byAddress = server.url.replace('localhost', '127.0.0.1')
  t.is(await fail(byAddress, { ca: authority }), distrust('certificate is for another name'))
  t.is(await fail(server.url, { ca: authority, serverName: 'prometheus' }), distrust('certificate is for another name'))
  const plain = await serveBytes(t, 'HTTP/1.1 400 Bad Request\r\n\r\n')
  t.is(await fail(plain.url.replace('http:', 'https:'), {}), 'BadGateway: does not agree on TLS')

  const named = { tls: { ...tls, serverName: 'localhost' } }
  t.is(await textOf(t, await send(makeForwarder(t), byAddress, { transport: named })), byAddress.slice(8))
  const trusting = { tls: { skipVerify: true } }
  t.is(await textOf(t, await send(makeForwarder(t), expired.url, { transport: trusting })), expired.url.slice(8))
})

test('shows its own certificate to a server that asks for one', async (t) => {
  const options = { ...serverCertificate, ca: authority, requestCert: true, rejectUnauthorized: false }
  const server = await serveTls(t, options, ({ socket }, response) => {
    const { authorized } = socket as TLSSocket
    response.end(String(authorized))
  })
  const known = { tls: { ca: authority, skipVerify: false, ...clientCertificate } }
  t.is(await textOf(t, await send(makeForwarder(t), server.url, { transport: known })), 'true')
  const unknown = { tls: { ca: authority, skipVerify: false } }
  t.is(await textOf(t, await send(makeForwarder(t), server.url, { transport: unknown })), 'false')
})

test('names the TLS setting that cannot be read, and connects nowhere', async (t) => {
  const server = await serveTls(t, serverCertificate, (_request, response) => response.end())
  const { cert, key } = clientCertificate
  for (const [tls, message] of [
    [{ ca: '/etc/ssl/ca.pem' }, 'tlsCACert cannot be read'],
    [{ cert: 'x', key }, 'tlsClientCert cannot be read'],
    [{ cert, key: 'secret' }, 'tlsClientKey cannot be read'],
    [{ cert }, 'tlsClientKey is missing'],
    [{ key }, 'tlsClientCert is missing'],
    [{ cert, key: serverCertificate.key }, 'tlsClientKey does not fit tlsClientCert'],
  ] as const) {
    const error = leftOf(
      t,
      await send(makeForwarder(t), server.url, { transport: { tls: { skipVerify: true, ...tls } } }),
    )
    t.deepEqual(error, {
      _tag: 'BadGateway',
      message: `the TLS settings of what stands behind this path cannot be used: ${message}`,
    })
  }
  t.is(server.accepted(), 0)
})
