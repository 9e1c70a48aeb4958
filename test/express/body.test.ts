import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'

import test, { type ExecutionContext } from 'ava'
import express from 'express'
import express4 from 'express4'

import type { AggregatorError } from '../../src/errors.ts'
import { door, type Door, type Inside } from '../../src/express/handler.ts'
import { E, pipe, TE } from '../../src/fp.ts'
import { bytes, json, stream, type Arrival, type ByteStream, type HttpAnswer } from '../../src/http.ts'
import { listen } from '../_setup/aggregator.ts'
import { readySource } from './streams.ts'

type Read<A> = E.Either<AggregatorError, A>

const collect = async (chunks: ByteStream): Promise<Read<string>> => {
  let all = ''
  for await (const chunk of chunks) {
    if (E.isLeft(chunk)) return chunk
    all += Buffer.from(chunk.right).toString('latin1')
  }
  return E.right(all)
}

/** Reads the body in the way that its path names. */
const readBody = async (way: string, arrival: Arrival): Promise<Read<unknown>> => {
  const { readJson, readBytes, streamBody } = arrival
  if (way === '/json') return readJson()
  if (way === '/bytes')
    return pipe(
      await readBytes(),
      E.map((bytes) => Buffer.from(bytes).toString('latin1')),
    )
  const chunks = way === '/unread' ? undefined : streamBody()
  if (chunks === undefined) return E.right(null)
  if (way === '/stream') return collect(chunks)
  for await (const chunk of chunks)
    return pipe(
      chunk,
      E.map(() => 'the first'),
    )
  return E.right('nothing')
}

const ways = ['/json', '/bytes', '/stream']

interface Served {
  readonly url: URL
  /** What each body came to, in order of the requests. */
  readonly outcomes: ReadonlyArray<Promise<Read<unknown>>>
}

type Answer = (arrival: Arrival, way: string) => ReturnType<Inside<string>['serve']>

/** A door with one answer behind it. */
const answering = async (
  t: ExecutionContext,
  answer: Answer,
  bodyLimitBytes = 1000,
  host: (handler: Door['handler']) => RequestListener = (handler) => (request, response) => {
    handler(request, response, () => undefined)
  },
): Promise<{ readonly url: URL }> => {
  const { handler, drain } = door<string>({
    match: (_method, url) => url,
    serve: (way, arrival) => answer(arrival, way),
    bodyLimitBytes,
    stallMs: 60_000,
  })
  t.teardown(() => drain(0))
  return { url: new URL(await listen(t, createHttpServer(host(handler)))) }
}

/** Answers what a body came to. */
const serve = async (
  t: ExecutionContext,
  host: (handler: Door['handler']) => RequestListener = (handler) => express().use(handler),
  bodyLimitBytes?: number,
): Promise<Served> => {
  const outcomes: Promise<Read<unknown>>[] = []
  const answer: Answer = (arrival, way) => () => {
    const outcome = readBody(way, arrival)
    outcomes.push(outcome)
    return TE.map((value) => json(200, value))(() => outcome)()
  }
  return { ...(await answering(t, answer, bodyLimitBytes, host)), outcomes }
}

const send = async (
  { url }: Served,
  way: string,
  body: string | Uint8Array | undefined,
  headers: Record<string, string> = {},
): Promise<readonly [status: number, body: unknown]> => {
  const given = body === undefined ? {} : { body: typeof body === 'string' ? body : new Blob([new Uint8Array(body)]) }
  const response = await fetch(new URL(way, url), { method: 'POST', headers, ...given })
  return [response.status, await response.json()]
}

const open = async (t: ExecutionContext, { url }: { readonly url: URL }): Promise<Socket> => {
  const socket = connect(Number(url.port), url.hostname)
  t.teardown(() => socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

const readAll = async (socket: Socket): Promise<string> => {
  let all = ''
  socket.on('data', (chunk) => (all += String(chunk)))
  await new Promise((resolve) => socket.once('close', resolve))
  return all
}

const head = (way: string, ...headers: ReadonlyArray<string>): string =>
  [`POST ${way} HTTP/1.1`, 'host: x', ...headers, '', ''].join('\r\n')

const sized = (way: string, body: string, ...headers: ReadonlyArray<string>): string =>
  head(way, `content-length: ${String(body.length)}`, ...headers) + body

const chunked = (way: string, ...chunks: ReadonlyArray<string>): string =>
  head(way, 'transfer-encoding: chunked', 'connection: close') +
  [...chunks, ''].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')

const text = '{"a":1.10}'
const value = { a: 1.1 }
const whole: Readonly<Record<string, unknown>> = { '/json': { value, text }, '/bytes': text, '/stream': text }

for (const way of ways) {
  test(`gives a body as it came, with its length or in chunks: ${way}`, async (t) => {
    const served = await serve(t)
    t.deepEqual(await send(served, way, text), [200, whole[way]])
    const socket = await open(t, served)
    socket.write(chunked(way, ...text))
    t.regex(await readAll(socket), /^HTTP\/1\.1 200 /)
    t.deepEqual(await served.outcomes[1], E.right(whole[way]))
  })

  test(`refuses more than the limit by its length, before any of it is there, and names the option: ${way}`, async (t) => {
    const served = await serve(t)
    const socket = await open(t, served)
    socket.write(head(way, 'content-length: 1001'))
    t.regex(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 413 [^]*option limits\.bodyBytes/)
  })

  test(`refuses more than the limit as soon as it is there: ${way}`, async (t) => {
    const served = await serve(t)
    const socket = await open(t, served)
    socket.write(chunked(way, 'x'.repeat(1001)).replace(/0\r\n\r\n$/, ''))
    t.regex(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 413 [^]*option limits\.bodyBytes/)
    t.deepEqual(
      await served.outcomes[0],
      E.left({ _tag: 'BodyTooLarge', limitBytes: 1000, option: 'limits.bodyBytes' }),
    )
  })

  test(`takes exactly the limit: ${way}`, async (t) => {
    const served = await serve(t)
    const body = JSON.stringify('x'.repeat(998))
    t.is((await send(served, way, body))[0], 200)
    const socket = await open(t, served)
    socket.write(chunked(way, body.slice(0, 500), body.slice(500)))
    t.regex(await readAll(socket), /^HTTP\/1\.1 200 /)
  })

  for (const [how, wire] of [
    ['its length', head(way, 'content-length: 100')],
    ['chunks', head(way, 'transfer-encoding: chunked')],
  ] as const) {
    test(`tells a client that leaves in the middle of a body in ${how}: ${way}`, async (t) => {
      const served = await serve(t)
      const socket = await open(t, served)
      socket.write(wire + (how === 'chunks' ? '5\r\n{"a":\r\n' : '{"a":'))
      while (served.outcomes.length === 0) await turn()
      socket.destroy()
      t.deepEqual(await served.outcomes[0], E.left({ _tag: 'Cancelled' }))
    })
  }
}

test('gives no body for none', async (t) => {
  const served = await serve(t)
  t.like(await send(served, '/json', undefined), { 0: 400, 1: { message: 'expected a JSON body, got nothing' } })
  t.deepEqual(await send(served, '/bytes', undefined), [200, ''])
  t.deepEqual(await send(served, '/stream', undefined), [200, null])
})

test('passes compressed bytes on as they are, and decodes no compressed JSON', async (t) => {
  const served = await serve(t)
  const body = gzipSync(text)
  const headers = { 'content-encoding': 'gzip', 'content-type': 'application/json' }
  for (const way of ['/bytes', '/stream']) {
    t.deepEqual(await send(served, way, body, headers), [200, body.toString('latin1')])
  }
  t.like(await send(served, '/json', body, headers), {
    0: 415,
    1: { message: 'expected a body without content encoding' },
  })
  t.is((await send(served, '/json', text, { 'content-encoding': 'Identity' }))[0], 200)
})

test('reads no more of a body than it is asked for', async (t) => {
  const size = 30_000_000
  let arrival: Arrival | undefined
  let answer: (answer: E.Either<AggregatorError, HttpAnswer>) => void = () => undefined
  let receive: () => number = () => 0
  const wait: Answer = (given) => () => {
    arrival = given
    return new Promise((resolve) => (answer = resolve))
  }
  const served = await answering(t, wait, size, (handler) => (request, response) => {
    receive = () => request.socket.bytesRead
    handler(request, response, () => undefined)
  })
  const socket = await open(t, served)
  socket.write(head('/', `content-length: ${String(size)}`))
  socket.write(Buffer.alloc(size, 'x'))
  while (arrival === undefined) await turn()
  const chunks = arrival.streamBody()?.[Symbol.asyncIterator]()
  const first = await chunks?.next()
  for (let seen = -1; seen !== receive();) {
    seen = receive()
    for (let i = 0; i < 50; i++) await turn()
  }
  t.true(receive() < 1_000_000, String(receive()))
  let length = 0
  for (let step = first; step !== undefined && step.done !== true; step = await chunks?.next()) {
    length += E.isRight(step.value) ? step.value.right.length : 0
  }
  answer(E.right(json(200, length)))
  t.is(length, size)
})

const keep = (options: Parameters<typeof express.json>[0] = {}): ReturnType<typeof express.json> =>
  express.json({
    ...options,
    verify: (request, _response, bytes) => {
      Object.assign(request, { rawBody: bytes })
    },
  })

/** A parser that makes something of a body that is no JSON. */
const parsing =
  (body: unknown): express.RequestHandler =>
  (request, _response, next) => {
    request.resume().on('end', () => {
      Object.assign(request, { body })
      next()
    })
  }

const spaced = '{ "a": 1.10 }'
const types = { json: 'application/json', form: 'application/x-www-form-urlencoded', xml: 'application/xml' }
const multipart = 'multipart/form-data; boundary=b'
const parsers: ReadonlyArray<
  readonly [
    title: string,
    parser: express.RequestHandler,
    type: string,
    body: string,
    bytes: string | undefined,
    json?: string,
  ]
> = [
  ['express.json()', express.json(), types.json, spaced, '{"a":1.1}'],
  ['express.json() of Express 4', express4.json(), types.json, spaced, '{"a":1.1}'],
  ['express.json(), and another spelling', express.json(), 'APPLICATION/json ; charset=utf-8', spaced, '{"a":1.1}'],
  ['express.json() for patches', express.json({ type: '*/*' }), 'application/merge-patch+json', spaced, '{"a":1.1}'],
  ['express.json() that keeps the raw body', keep(), types.json, spaced, spaced],
  [
    'express.json() for a type that is no JSON',
    express.json({ type: '*/*' }),
    'text/plain',
    spaced,
    undefined,
    '{"a":1.1}',
  ],
  ['express.text()', express.text({ type: '*/*' }), types.xml, spaced, spaced],
  ['express.raw()', express.raw({ type: '*/*' }), types.json, spaced, spaced],
  ['express.urlencoded()', express.urlencoded({ extended: false }), types.form, 'a=1&b=2', undefined],
  ['express.urlencoded() of Express 4', express4.urlencoded({ extended: true }), types.form, 'a=1', undefined],
  ['a parser of multipart bodies', parsing({ a: '1\r\n--b--\r\n' }), multipart, '--b--', undefined],
  ['a parser of XML', parsing({ a: 1 }), types.xml, '<a>1</a>', undefined, '{"a":1}'],
  ['somebody who threw it away', parsing(undefined), types.json, spaced, undefined],
]
for (const [title, parser, type, body, bytes, json] of parsers) {
  test(`${bytes === undefined ? 'refuses' : 'passes on'} bytes that ${title} has read before (S19)`, async (t) => {
    const served = await serve(t, (handler) => express().use(parser).use(handler))
    const headers = { 'content-type': type }
    for (const way of ['/bytes', '/stream']) {
      const [status, answer] = await send(served, way, body, headers)
      if (bytes === undefined) {
        t.is(status, 415)
        t.regex((answer as { message: string }).message, /^the body was read before .* mount the aggregator before/)
      } else t.deepEqual([status, answer], [200, bytes])
    }
    const expected = json ?? bytes
    const [status, answer] = await send(served, '/json', body, headers)
    t.deepEqual(
      status === 200 ? answer : status,
      expected === undefined ? 415 : { text: expected, value: JSON.parse(expected) as unknown },
    )
  })
}

test('passes no bytes on that a parser has decompressed, whose headers tell otherwise (S19)', async (t) => {
  for (const parser of [express.json(), keep(), express.raw({ type: '*/*' })]) {
    const served = await serve(t, (handler) => express().use(parser).use(handler))
    const headers = { 'content-encoding': 'gzip', 'content-type': types.json }
    for (const way of ['/bytes', '/stream']) {
      const [status, answer] = await send(served, way, gzipSync(text), headers)
      t.is(status, 415)
      t.regex((answer as { message: string }).message, /^the body was decompressed before/)
    }
    t.is((await send(served, '/json', gzipSync(text), headers))[0], 200)
  }
})

test('takes no body for none, also behind parsers', async (t) => {
  for (const parser of [express.json(), express4.json(), express.urlencoded({ extended: true }), express.raw()]) {
    const served = await serve(t, (handler) => express().use(parser).use(handler))
    t.deepEqual(await send(served, '/bytes', undefined), [200, ''])
    t.deepEqual(await send(served, '/stream', undefined), [200, null])
  }
})

for (const way of ['/unread', '/first', '/bytes']) {
  test(`serves the next request of a connection whose body was not read to its end: ${way}`, async (t) => {
    const served = await serve(t, undefined, way === '/bytes' ? 1000 : 1_000_000)
    const socket = await open(t, served)
    // more than waits on its way
    const body = 'x'.repeat(1_000_000)
    socket.write(head(way, `content-length: ${String(body.length)}`))
    const all = readAll(socket)
    if (way === '/first') socket.write(body.slice(0, 10))
    while (served.outcomes.length === 0) await turn()
    await served.outcomes[0]
    socket.write(way === '/first' ? body.slice(10) : body)
    socket.write(sized('/bytes', 'next', 'connection: close'))
    const answers = await all
    t.regex(answers, way === '/bytes' ? /^HTTP\/1\.1 413 / : /^HTTP\/1\.1 200 /)
    t.deepEqual(await served.outcomes[1], E.right('next'))
    t.true(answers.includes('"next"'))
  })
}

test('makes a stream of the body, bit by bit', async (t) => {
  const served = await answering(t, ({ streamBody }) => {
    const chunks = streamBody()
    return chunks === undefined ? TE.left({ _tag: 'Cancelled' }) : TE.right(stream(200, {}, chunks))
  })
  const socket = await open(t, served)
  socket.write(head('/', 'transfer-encoding: chunked', 'connection: close'))
  t.regex(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 /)
  for (const bit of ['one', 'two']) {
    socket.write(`3\r\n${bit}\r\n`)
    t.regex(String((await once(socket, 'data'))[0]), new RegExp(`^3\r\n${bit}\r\n`))
  }
  socket.write('0\r\n\r\n')
  t.is(await readAll(socket), '0\r\n\r\n')
})

for (const way of ways) {
  test(`reads no body of a client that has left before: ${way}`, async (t) => {
    let arrived: (arrival: Arrival) => void = () => undefined
    const here = new Promise<Arrival>((resolve) => (arrived = resolve))
    const served = await answering(t, (arrival) => async () => {
      arrived(arrival)
      await arrival.over
      return E.left({ _tag: 'Cancelled' })
    })
    const socket = await open(t, served)
    socket.write(head('/', 'content-length: 100'))
    const arrival = await here
    socket.destroy()
    await arrival.over
    await turn()
    t.deepEqual(await readBody(way, arrival), E.left({ _tag: 'Cancelled' }))
  })
}

test('lets go of a body when there is an answer, before its client has it', async (t) => {
  let outcome: Promise<Read<unknown>> | undefined
  const served = await answering(t, ({ readBytes }) => {
    outcome = readBytes()
    return TE.right(bytes(200, {}, [Buffer.alloc(20_000_000), Buffer.from('x')]))
  })
  const socket = await open(t, served)
  socket.pause()
  socket.write(head('/', 'content-length: 1000') + 'x')
  while (outcome === undefined) await turn()
  t.deepEqual(await outcome, E.left({ _tag: 'Cancelled' }))
})

test('lets go of a body when the stream that is the answer is over', async (t) => {
  let outcome: Promise<Read<unknown>> | undefined
  const served = await answering(t, ({ readBytes }) => {
    outcome = readBytes()
    return TE.right(stream(200, {}, readySource(2, Buffer.from('x')).chunks))
  })
  const socket = await open(t, served)
  socket.write(head('/', 'content-length: 1000') + 'x')
  await once(socket, 'data')
  t.deepEqual(await outcome, E.left({ _tag: 'Cancelled' }))
  // by itself, not because the connection was cut
  socket.write('x'.repeat(999) + head('/', 'connection: close'))
  t.regex(await readAll(socket), /HTTP\/1\.1 200 /)
})

test('gives each of several pipelined requests its own body', async (t) => {
  const served = await serve(t)
  const socket = await open(t, served)
  const bodies = ['"one"', '"two"', '"three"', '"four"']
  const pipelined = ['/bytes', '/stream', '/json', '/unread'].map((way, index) => sized(way, bodies[index] ?? ''))
  socket.write(pipelined.join('') + sized('/bytes', 'last', 'connection: close'))
  await readAll(socket)
  t.deepEqual(await Promise.all(served.outcomes), [
    E.right('"one"'),
    E.right('"two"'),
    E.right({ value: 'three', text: '"three"' }),
    E.right(null),
    E.right('last'),
  ])
})

test('leaves no listener on a request that was read', async (t) => {
  const counts: number[] = []
  const served = await serve(t, (handler) =>
    express().use((request, response, next) => {
      const count = (): number => ['data', 'close', 'error'].reduce((sum, name) => sum + request.listenerCount(name), 0)
      const before = count()
      response.on('close', () => {
        counts.push(count() - before)
      })
      handler(request, response, next)
    }),
  )
  for (const way of [...ways, '/unread', '/first']) await send(served, way, text)
  t.deepEqual(counts, [0, 0, 0, 0, 0])
})
