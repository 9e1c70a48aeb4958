import { once } from 'node:events'
import {
  createServer as createHttpServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import type { AggregatorError } from '../../src/errors.ts'
import { send } from '../../src/express/answer.ts'
import { door } from '../../src/express/handler.ts'
import { E, TE } from '../../src/fp.ts'
import { bytes, json, stream, type Arrival, type ByteStream, type HttpAnswer } from '../../src/http.ts'
import { listen } from '../_setup/aggregator.ts'
import { manualSource, readySource } from './streams.ts'

const badPlugin: AggregatorError = { _tag: 'BadPlugin', message: 'garbage' }
const farewell = (error: AggregatorError): Uint8Array => Buffer.from(`bye ${error._tag}`)

interface Request {
  readonly arrival: Arrival
  readonly signal: AbortSignal
}

/** A door with one answer behind it. */
const serve = async (t: ExecutionContext, answer: (request: Request) => HttpAnswer, stallMs = 60_000) => {
  const requests: Request[] = []
  const { handler, drain } = door<string>({
    match: (_method, url) => url,
    serve: (_claim, arrival, signal) => {
      requests.push({ arrival, signal })
      return TE.right(answer({ arrival, signal }))
    },
    bodyLimitBytes: 1000,
    stallMs,
  })
  const server = createHttpServer((request, response) => {
    handler(request, response, () => undefined)
  })
  t.teardown(() => drain(0))
  const url = new URL(await listen(t, server))
  return { url, server, drain, requests }
}

const open = async (t: ExecutionContext, url: URL): Promise<Socket> => {
  const socket = connect(Number(url.port), url.hostname)
  t.teardown(() => socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** All that the other side says before it closes. */
const readAll = async (socket: Socket): Promise<string> => {
  let all = ''
  socket.on('data', (chunk) => (all += String(chunk)))
  await new Promise((resolve) => socket.once('close', resolve))
  return all
}

const get = 'GET /x HTTP/1.1\r\nhost: x\r\n\r\n'

const readers = new WeakMap<Response, ReadableStreamDefaultReader<Uint8Array>>()
const nextOf = async (response: Response): Promise<string | undefined> => {
  const reader = readers.get(response) ?? response.body?.getReader()
  if (reader === undefined) return undefined
  readers.set(response, reader)
  const step = await reader.read()
  return step.done ? undefined : Buffer.from(step.value).toString()
}

test('sends each chunk at once, the head too, before the next one exists', async (t) => {
  const source = manualSource()
  const { url } = await serve(t, () => stream(201, { 'content-type': 'text/plain' }, source.chunks))
  const response = await fetch(url)
  t.is(response.status, 201)
  t.is(response.headers.get('content-type'), 'text/plain')
  t.is(response.headers.get('content-length'), null)
  t.is(source.counts.next, 1)
  for (const text of ['one', 'two']) {
    source.give(text)
    t.is(await nextOf(response), text)
  }
  source.end()
  t.is(await nextOf(response), undefined)
})

test('sends what is ready in one turn together', async (t) => {
  // as gRPC hands on messages that arrived together
  const chunks = async function* (): ByteStream {
    for (let i = 0; i < 20; i++) {
      await new Promise<void>((resolve) => {
        process.nextTick(resolve)
      })
      yield E.right(Buffer.from('abc'))
    }
  }
  const { url, server } = await serve(t, () => stream(200, {}, chunks()))
  let flushes = 0
  server.on('connection', (socket) => {
    for (const name of ['_write', '_writev'] as const) {
      const flush = socket[name]?.bind(socket)
      if (flush === undefined) throw new Error(`expected ${name}`)
      socket[name] = (...given: never[]) => {
        flushes++
        Reflect.apply(flush, socket, given)
      }
    }
  })
  t.is(await (await fetch(url)).text(), 'abc'.repeat(20))
  // the head, the chunks, the end
  t.true(flushes <= 3, String(flushes))
})

const whole: ReadonlyArray<
  readonly [title: string, method: string, status: number, count: number, length: string | null]
> = [
  ['one chunk', 'GET', 200, 1, '3'],
  ['no chunk', 'GET', 200, 0, '0'],
  ['one chunk to a POST', 'POST', 200, 1, '3'],
  ['a 204', 'GET', 204, 1, null],
  ['a 304', 'GET', 304, 1, null],
  ['the answer to HEAD', 'HEAD', 200, 1, null],
]
for (const [title, method, status, count, length] of whole) {
  test(`sends ${title} that is ready ${length === null ? 'without a length or a body' : 'whole, with its length'}`, async (t) => {
    const { chunks, counts } = readySource(count, Buffer.from('abc'))
    const { url, requests } = await serve(t, () => stream(status, {}, chunks, { heartbeat: Buffer.from(':') }))
    const response = await fetch(url, { method })
    t.is(response.status, status)
    t.is(response.headers.get('content-length'), length)
    t.is(response.headers.get('transfer-encoding'), null)
    t.is(await response.text(), length === '3' ? 'abc' : '')
    t.is(await requests[0]?.arrival.over, undefined)
    t.is(counts.next, length === null ? 0 : count + 1)
  })
}

for (const status of [204, 304]) {
  test(`says nothing of a length in a ${String(status)} that is no stream`, async (t) => {
    const { url } = await serve(t, () => bytes(status, {}, []))
    const response = await fetch(url)
    t.is(response.status, status)
    t.is(response.headers.get('content-length'), null)
    t.is(response.headers.get('transfer-encoding'), null)
  })
}

test('ends the answer to HEAD at once, so that the connection carries the next one', async (t) => {
  const source = manualSource()
  const { url } = await serve(t, () => stream(200, {}, source.chunks, { isEndless: true }))
  const socket = await open(t, url)
  socket.write(
    get.replace('GET', 'HEAD') + get.replace('GET', 'HEAD').replace('host: x', 'host: x\r\nconnection: close'),
  )
  t.is((await readAll(socket)).match(/HTTP\/1\.1 200/g)?.length, 2)
  t.is(source.counts.next, 0)
})

test('gives a slow reader every byte', async (t) => {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  const { chunks, counts } = readySource(100, chunk)
  const { url } = await serve(t, () => stream(200, {}, chunks))
  const request = httpRequest(url).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  // until the source is asked for no more
  for (let seen = -1; seen !== counts.next;) {
    seen = counts.next
    for (let i = 0; i < 50; i++) await turn()
  }
  t.true(counts.next < 100, String(counts.next))
  let size = 0
  for await (const piece of response) size += (piece as Buffer).length
  t.is(size, 100 * chunk.length)
})

test('sends many small chunks, more than a socket takes at once', async (t) => {
  const { chunks } = readySource(1000, Buffer.alloc(1000, 'x'))
  const { url } = await serve(t, () => stream(200, {}, chunks), 5000)
  t.is((await (await fetch(url)).arrayBuffer()).byteLength, 1_000_000)
})

test('asks a source for no more than its reader takes, and cuts a reader that takes nothing', async (t) => {
  const { chunks, counts, left } = readySource(Infinity, Buffer.alloc(64 * 1024))
  const { url, requests } = await serve(t, () => stream(200, {}, chunks, { farewell }), 50)
  const socket = await open(t, url)
  socket.pause()
  socket.write(get)
  await left
  // what the kernel holds for both sides, and no more
  t.true(counts.next < 200, String(counts.next))
  t.is(counts.returned, 1)
  t.deepEqual(await requests[0]?.arrival.over, { _tag: 'Cancelled' })
  t.true(requests[0]?.signal.aborted)
})

test('tells the source, once, when its reader leaves', async (t) => {
  const source = manualSource()
  const { url, requests } = await serve(t, () => stream(200, {}, source.chunks, { farewell }))
  const client = new AbortController()
  const response = await fetch(url, { signal: client.signal })
  source.give('one')
  t.is(await nextOf(response), 'one')
  client.abort()
  await source.left
  t.deepEqual(await requests[0]?.arrival.over, { _tag: 'Cancelled' })
  t.true(requests[0]?.signal.aborted)
  t.is(source.counts.returned, 1)
})

test('ends a stream that fails in order where it can say so, and tells the pipeline', async (t) => {
  const source = manualSource()
  const { url, requests } = await serve(t, () => stream(200, {}, source.chunks, { farewell }))
  const response = await fetch(url)
  source.give('one ')
  t.is(await nextOf(response), 'one ')
  source.fail(badPlugin)
  t.is(await nextOf(response), 'bye BadPlugin')
  t.is(await nextOf(response), undefined)
  t.deepEqual(await requests[0]?.arrival.over, badPlugin)
})

test('says goodbye behind a chunk that was ready with it', async (t) => {
  const source = manualSource()
  const { url } = await serve(t, () => stream(200, {}, source.chunks, { farewell }))
  const text = fetch(url).then((response) => response.text())
  await source.asked(1)
  source.give('one ')
  await source.asked(2)
  source.fail(badPlugin)
  t.is(await text, 'one bye BadPlugin')
})

for (const count of [0, 1, 2]) {
  test(`lets nobody take ${String(count)} chunks of a stream that fails for the whole`, async (t) => {
    const source = manualSource()
    const { url, requests } = await serve(t, () => stream(200, {}, source.chunks))
    const text = fetch(url).then((response) => response.text())
    for (let asked = 1; asked <= count; asked++) {
      await source.asked(asked)
      source.give('abc')
    }
    await source.asked(count + 1)
    source.fail(badPlugin)
    await t.throwsAsync(text)
    t.deepEqual(await requests[0]?.arrival.over, badPlugin)
  })
}

test('ends a stream whose time is over while it waits for a chunk', async (t) => {
  const source = manualSource()
  const until = new AbortController()
  const { url } = await serve(t, () => ({ ...stream(200, {}, source.chunks, { farewell }), until: until.signal }))
  const response = await fetch(url)
  until.abort({ _tag: 'PluginTimeout', message: 'too late' } satisfies AggregatorError)
  t.is(await response.text(), 'bye PluginTimeout')
  t.is(source.counts.returned, 1)
})

test('ends endless streams at once when it shuts down, and waits for the others', async (t) => {
  const endless = manualSource()
  const finite = manualSource()
  const { url, drain } = await serve(t, ({ arrival: { method } }) =>
    stream(200, {}, method === 'GET' ? endless.chunks : finite.chunks, { farewell, isEndless: method === 'GET' }),
  )
  const [one, other] = await Promise.all([fetch(url), fetch(url, { method: 'POST' })])
  const drained = drain(60_000)
  t.is(await one.text(), 'bye PluginUnavailable')
  t.is(endless.counts.returned, 1)
  t.is(finite.counts.returned, 0)
  finite.give('all')
  await finite.asked(2)
  finite.end()
  t.is(await other.text(), 'all')
  await drained
})

test('cuts what still streams when the drain time is over', async (t) => {
  const source = manualSource()
  const { url, drain } = await serve(t, () => stream(200, {}, source.chunks))
  const response = await fetch(url)
  await drain(1)
  await t.throwsAsync(response.text())
  t.is(source.counts.returned, 1)
})

test('carries many endless streams without a warning', async (t) => {
  const warnings: Error[] = []
  const note = (warning: Error): unknown => warnings.push(warning)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  const { url, drain } = await serve(t, () => stream(200, {}, manualSource().chunks, { isEndless: true, farewell }))
  const responses = await Promise.all(Array.from({ length: 15 }, () => fetch(url)))
  await drain(60_000)
  const texts = await Promise.all(responses.map((response) => response.text()))
  t.deepEqual(new Set(texts), new Set(['bye PluginUnavailable']))
  t.deepEqual(warnings, [])
})

test('answers pipelined requests in their order, while the first one streams', async (t) => {
  const sources = [manualSource(), manualSource()]
  const { url } = await serve(t, ({ arrival: { method } }) => {
    const source = method === 'DELETE' ? undefined : sources[method === 'GET' ? 0 : 1]
    return source === undefined ? json(200, 'last') : stream(200, {}, source.chunks)
  })
  const [first, second] = sources
  const socket = await open(t, url)
  const last = get.replace('GET', 'DELETE').replace('host: x', 'host: x\r\nconnection: close')
  socket.write(get + get.replace('GET', 'PUT') + last)
  const all = readAll(socket)
  await Promise.all(sources.map((source) => source.asked(1)))
  second?.give('second')
  await second?.asked(2)
  second?.end()
  first?.give('first')
  await first?.asked(2)
  first?.end()
  t.deepEqual((await all).match(/first|second|last/g), ['first', 'second', 'last'])
})

test('tells all pipelined streams that their client left', async (t) => {
  const sources = [manualSource(), manualSource()]
  let next = 0
  const { url } = await serve(t, () => stream(200, {}, sources[next++]?.chunks ?? manualSource().chunks))
  const socket = await open(t, url)
  socket.write(get + get)
  await Promise.all(sources.map((source) => source.asked(1)))
  socket.destroy()
  await Promise.all(sources.map(({ left }) => left))
  t.deepEqual(
    sources.map(({ counts }) => counts),
    [
      { next: 1, returned: 1 },
      { next: 1, returned: 1 },
    ],
  )
})

test('sends a heartbeat between chunks, but neither before the head nor into a full socket', async (t) => {
  const source = manualSource()
  const { setInterval: real } = globalThis
  const server = createHttpServer()
  const url = await listen(t, server)
  const request = httpRequest(url).end()
  const [, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
  const over = once(response, 'close')
  const { signal } = new AbortController()
  let beat: () => void = () => undefined
  globalThis.setInterval = ((run: (step: unknown) => void, _ms: number, step: unknown) => {
    beat = () => {
      run(step)
    }
    return { refresh: () => undefined }
  }) as unknown as typeof real
  const answer = stream(200, {}, source.chunks, { heartbeat: Buffer.from(':beat') })
  const sent = send(response, answer, { stallMs: 60_000, over, shutdown: signal, onFailure: () => undefined })
  globalThis.setInterval = real
  beat()
  t.false(response.headersSent)
  const [reader] = (await once(request, 'response')) as [IncomingMessage]
  beat()
  t.is(String((await once(reader, 'data'))[0]), ':beat')
  reader.pause()
  source.give('x'.repeat(20_000_000))
  await turn()
  t.true(response.writableNeedDrain)
  const waiting = response.writableLength
  beat()
  t.is(response.writableLength, waiting)
  request.destroy()
  await sent
  t.is(source.counts.returned, 1)
})
