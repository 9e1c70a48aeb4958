import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { gzipSync } from 'node:zlib'

import test from 'ava'

import { E } from '../../src/fp.ts'
import {
  bodyOf,
  leftOf,
  makeForwarder,
  readAll,
  rightOf,
  send,
  serve,
  serveRaw,
  signalOf,
  source,
  textOf,
} from './_setup.ts'

const never = new Promise<never>(() => undefined)
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const bytesOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

interface Heard {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: ReadonlyArray<string>
  readonly body: string
}

/** Answers with what it was sent, as JSON. */
const serveEcho = (t: Parameters<typeof serve>[0]) =>
  serve(t, (request, response) => {
    void bytesOf(request).then((body) => {
      const { method, url, rawHeaders } = request
      response.end(JSON.stringify({ method, url, headers: rawHeaders, body: body.toString() }))
    })
  })

const heard = (text: string): Heard => JSON.parse(text) as Heard

test('sends path and query byte for byte (S1)', async (t) => {
  const upstream = await serveEcho(t)
  const forwarder = makeForwarder(t)
  const paths = [
    '/base/api/v1/query?query=up%7Bjob%3D%22a%22%7D&x=//y',
    '//two///slashes/http:/x/https:/y?a?b',
    '//user@host:x/path',
    '//user@[/path',
    '/\\back\\slash?q=\\d',
    '/a%2Fb%5c%00/./../;x=1/%zz',
    "/!$&'()*+,;=:@-._~|^`{}<>",
  ]
  for (const path of paths) {
    const { url } = heard(await textOf(t, await send(forwarder, `${upstream.url}${path}`)))
    t.is(url, path)
  }
  t.is(heard(await textOf(t, await send(forwarder, upstream.url))).url, '/')
  t.is(heard(await textOf(t, await send(forwarder, `${upstream.url}?a=1`))).url, '/?a=1')
})

test('sends the given headers, and beside them only those of the connection (S7)', async (t) => {
  const upstream = await serveEcho(t)
  const forwarder = makeForwarder(t)
  const headers = {
    accept: 'text/plain',
    'x-twice': ['1', '2'],
    'x-gone': undefined,
    // none of them is the service's to say
    host: 'other.example',
    connection: 'x-listed, keep-alive',
    'x-listed': '1',
    'keep-alive': 'timeout=1',
    'proxy-authorization': 'Basic x',
    te: 'trailers',
    trailer: 'x',
    'transfer-encoding': 'chunked',
    upgrade: 'websocket',
    expect: '100-continue',
    'content-length': '5',
  }
  const asked = heard(await textOf(t, await send(forwarder, upstream.url, { headers })))
  const lines = asked.headers.flatMap((name, index) =>
    index % 2 === 0 ? [`${name}: ${asked.headers[index + 1] ?? ''}`] : [],
  )
  t.deepEqual(lines.sort(), [
    'Connection: keep-alive',
    `Host: ${upstream.url.slice(7)}`,
    'accept: text/plain',
    'x-twice: 1',
    'x-twice: 2',
  ])
})

test('frames each body by what is known of it, and nothing where there is none', async (t) => {
  const upstream = await serveEcho(t)
  const forwarder = makeForwarder(t)
  const framing = async (method: string, body: Parameters<typeof send>[2] = {}): Promise<ReadonlyArray<string>> => {
    const asked = heard(await textOf(t, await send(forwarder, upstream.url, { method, ...body })))
    t.is(asked.method, method)
    const { headers } = asked
    const lines = headers.flatMap((name, index) =>
      index % 2 === 0 && /^(content-length|transfer-encoding)$/i.test(name)
        ? [`${name}: ${headers[index + 1] ?? ''}`]
        : [],
    )
    return [...lines, asked.body]
  }
  t.deepEqual(await framing('GET'), [''])
  t.deepEqual(await framing('PROPFIND'), ['content-length: 0', ''])
  t.deepEqual(await framing('POST'), ['content-length: 0', ''])
  t.deepEqual(await framing('DELETE'), ['content-length: 0', ''])
  t.deepEqual(await framing('POST', { body: Buffer.from('hello') }), ['content-length: 5', 'hello'])
  t.deepEqual(await framing('GET', { body: Buffer.from('hello') }), ['content-length: 5', 'hello'])
  for (const method of ['POST', 'GET', 'DELETE', 'OPTIONS']) {
    t.deepEqual(await framing(method, { body: bodyOf('he', '', 'llo') }), ['transfer-encoding: chunked', 'hello'])
    const headers = { 'content-length': '5' }
    t.deepEqual(await framing(method, { headers, body: bodyOf('he', 'llo') }), ['content-length: 5', 'hello'])
  }
  t.is(upstream.accepted(), 1)
})

test('lets no body be longer or shorter than its length says (S16)', async (t) => {
  const upstream = await serve(t, (request) => request.resume())
  const forwarder = makeForwarder(t)
  const message = 'the body is not as long as its content-length says'
  const endless = source((index) => (index < 2 ? E.right(Buffer.from('hello')) : never))
  for (const [length, body] of [
    ['8', endless.stream],
    ['6', bodyOf('he', 'llo')],
  ] as const) {
    const headers = { 'content-length': length }
    const sent = await send(forwarder, upstream.url, { method: 'POST', headers, body })
    t.deepEqual(leftOf(t, sent), { _tag: 'BadRequest', message })
    await upstream.deserted()
  }
})

test('refuses methods and URLs that are not for a proxy', async (t) => {
  const forwarder = makeForwarder(t)
  for (const method of ['CONNECT', 'TRACE', 'connect'])
    t.like(leftOf(t, await send(forwarder, 'http://localhost:1/', { method })), { _tag: 'MethodNotAllowed', method })
  const urls = [
    'ftp://localhost/',
    'http://user:secret@localhost/',
    'http://localhost/#x',
    'http://localhost/a b',
    'x',
    '/',
  ]
  const odd = [
    'http:///x',
    'http://localhost/\u00e9',
    'http://localhost/\r\nx: y',
    'http+unix://%2Frun%2Fx/',
    'http://a:99999/',
  ]
  for (const url of [...urls, ...odd]) {
    const error = leftOf(t, await send(forwarder, url))
    t.like(error, { _tag: 'BadGateway' }, url)
    t.false(JSON.stringify(error).includes('secret'))
  }
  const bad = leftOf(t, await send(forwarder, 'http://localhost:1/', { headers: { 'x-a': 'secret\r\nx-b: 1' } }))
  t.regex(bad._tag === 'BadGateway' ? bad.message : '', /its method or a header is not valid$/)
  t.false(JSON.stringify(bad).includes('secret'))
})

test('gives back status and headers as they came, without those of the connection (S16)', async (t) => {
  const upstream = await serve(t, (_request, response) => {
    response.writeHead(418, [
      ...['Content-Type', 'text/plain', 'X-Twice', '1', 'x-twice', '2', 'X-TWICE', '3', 'Set-Cookie', 'a=1'],
      ...[
        'Connection',
        'X-Listed, keep-alive',
        'X-Listed',
        '1',
        'Keep-Alive',
        'timeout=9',
        'Proxy-Authenticate',
        'Basic',
      ],
      ...['Upgrade', 'h2c', 'Trailer', 'x', '__proto__', 'x', 'constructor', 'y'],
    ])
    response.end('teapot')
  })
  const answer = rightOf(t, await send(makeForwarder(t), upstream.url))
  t.is(answer.status, 418)
  const { date, ...headers } = answer.headers
  t.is(typeof date, 'string')
  t.deepEqual(Object.entries(headers).sort(), [
    ['__proto__', 'x'],
    ['constructor', 'y'],
    ['content-type', 'text/plain'],
    ['set-cookie', 'a=1'],
    ['x-twice', ['1', '2', '3']],
  ])
  t.is((await readAll(answer.body)).bytes.toString(), 'teapot')
})

test('follows no redirect, inflates nothing, waits for nobody (S12)', async (t) => {
  const zipped = gzipSync('zipped')
  const upstream = await serve(t, (request, response) => {
    if (request.url === '/gzip') response.writeHead(200, { 'content-encoding': 'gzip' }).end(zipped)
    else if (request.url === '/hints') {
      response.writeContinue()
      response.writeEarlyHints({ link: '</x>; rel=preload' })
      response.writeHead(200).end('hinted')
    } else response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end('moved')
  })
  const forwarder = makeForwarder(t)
  const moved = rightOf(t, await send(forwarder, `${upstream.url}/`))
  t.is(moved.status, 302)
  t.is(moved.headers['location'], 'http://169.254.169.254/latest')
  t.is((await readAll(moved.body)).bytes.toString(), 'moved')
  const gzip = rightOf(t, await send(forwarder, `${upstream.url}/gzip`))
  t.is(gzip.headers['content-encoding'], 'gzip')
  t.deepEqual((await readAll(gzip.body)).bytes, zipped)
  t.is(await textOf(t, await send(forwarder, `${upstream.url}/hints`)), 'hinted')
})

test('gives answers that have no body, and keeps their connection even if nobody looks for one', async (t) => {
  const upstream = await serve(t, ({ url }, response) => {
    if (url === '/204') response.writeHead(204).end()
    else if (url === '/304') response.writeHead(304, { etag: '"1"' }).end()
    else response.writeHead(200, { 'content-length': url === '/empty' ? 0 : 1000 }).end()
  })
  const forwarder = makeForwarder(t)
  for (const [method, path, status, length] of [
    ['HEAD', '/', 200, '1000'],
    ['GET', '/204', 204, undefined],
    ['GET', '/304', 304, undefined],
    ['GET', '/empty', 200, '0'],
  ] as const) {
    const answer = rightOf(t, await send(forwarder, `${upstream.url}${path}`, { method }))
    t.is(answer.status, status)
    t.is(answer.headers['content-length'], length)
    // what the kept connection waits for has happened by then
    await new Promise((resolve) => setImmediate(resolve))
  }
  const again = rightOf(t, await send(forwarder, `${upstream.url}/`, { method: 'HEAD' }))
  t.deepEqual(await readAll(again.body), { bytes: Buffer.alloc(0), error: undefined })
  t.is(upstream.accepted(), 1)
})

test('carries a megabyte each way, whole, by pieces or at once', async (t) => {
  const upstream = await serve(t, (request, response) => {
    void bytesOf(request).then((body) => {
      if (request.url === '/length') response.setHeader('content-length', body.length)
      response.setHeader('x-sum', sha256(body))
      response.write(body.subarray(0, 300_000))
      response.end(body.subarray(300_000))
    })
  })
  const forwarder = makeForwarder(t)
  const bytes = randomBytes(1024 * 1024)
  const pieces = source((index) =>
    index < 32 ? E.right(bytes.subarray(index * 32_768, (index + 1) * 32_768)) : undefined,
  )
  for (const [path, body] of [
    ['/', bytes],
    ['/length', pieces.stream],
  ] as const) {
    const answer = rightOf(t, await send(forwarder, `${upstream.url}${path}`, { method: 'POST', body }))
    t.is(answer.headers['x-sum'], sha256(bytes))
    const back = await readAll(answer.body)
    t.is(back.error, undefined)
    t.is(sha256(back.bytes), sha256(bytes))
  }
})

test('takes an answer that comes before the body was read, and then reads no more of it', async (t) => {
  const upstream = await serve(t, (_request, response) => {
    response.writeHead(413).end('too much')
  })
  // the head goes out though the first piece is not there
  const silent = source(() => never)
  const early = await send(makeForwarder(t), upstream.url, { method: 'POST', body: silent.stream })
  t.is(rightOf(t, early).status, 413)
  t.is(await textOf(t, early), 'too much')
  await silent.left
  await upstream.deserted()
})

test('reads no more of a body than the other side takes', async (t) => {
  const begun = signalOf<IncomingMessage>()
  const upstream = await serve(t, (request) => {
    begun.resolve(request)
  })
  const stop = new AbortController()
  const stalled = signalOf()
  const chunk = Buffer.alloc(64 * 1024)
  let idle: NodeJS.Immediate | undefined
  const endless = source(() => {
    // the sockets of a kernel hold some megabytes; then nobody asks any more
    clearImmediate(idle)
    idle = setImmediate(() => setImmediate(() => stalled.resolve()))
    return E.right(chunk)
  })
  const sent = send(makeForwarder(t), upstream.url, { method: 'POST', body: endless.stream, signal: stop.signal })
  const request = await begun.promise
  await stalled.promise
  t.true(endless.taken() < 1000)
  stop.abort()
  t.deepEqual(leftOf(t, await sent), { _tag: 'Cancelled' })
  await endless.left
  // who does not read cannot see that nobody is there
  request.resume()
  await upstream.deserted()
})

test('reads no more of an answer than somebody asks for', async (t) => {
  let written = 0
  const stalled = signalOf()
  const chunk = Buffer.alloc(64 * 1024)
  const upstream = await serveRaw(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      const more = (): void => {
        for (; written < 2000; written += 1) if (!socket.write(chunk)) break
        if (written >= 2000) return
        let isDrained = false
        const look = (turns: number): void => {
          if (turns === 0) stalled.resolve()
          else if (!isDrained) setImmediate(look, turns - 1)
        }
        // whoever reads does so within a turn or two
        look(200)
        socket.once('drain', () => {
          isDrained = true
          more()
        })
      }
      more()
    })
  })
  const answer = rightOf(t, await send(makeForwarder(t), upstream.url))
  const iterator = answer.body[Symbol.asyncIterator]()
  const first = await iterator.next()
  t.true(first.done !== true && E.isRight(first.value))
  await stalled.promise
  t.true(written < 2000)
  await iterator.return?.()
  t.deepEqual(await iterator.next(), { done: true, value: undefined })
  await upstream.deserted()
})

test('fails with what the body of the request fails with', async (t) => {
  const upstream = await serve(t, (request) => request.resume())
  const forwarder = makeForwarder(t)
  const tooLarge = { _tag: 'BodyTooLarge', limitBytes: 1, option: 'limits.bodyBytes' } as const
  const failing = source((index) => (index === 0 ? E.right(Buffer.from('x')) : E.left(tooLarge)))
  t.is(leftOf(t, await send(forwarder, upstream.url, { method: 'POST', body: failing.stream })), tooLarge)
  const throwing = source(() => Promise.reject(new Error('broken')))
  const sent = await send(forwarder, upstream.url, { method: 'POST', body: throwing.stream })
  t.like(leftOf(t, sent), { _tag: 'Unexpected' })
  await Promise.all([failing.left, throwing.left, upstream.deserted()])
})
