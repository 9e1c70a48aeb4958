import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Duplex } from 'node:stream'

import test, { type ExecutionContext } from 'ava'
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws'

import type { AggregatorError, Result } from '../../src/errors.ts'
import { door, type Door } from '../../src/express/handler.ts'
import { websocketSink } from '../../src/express/websocket-sink.ts'
import { E, TE } from '../../src/fp.ts'
import { json, stream, type Arrival, type HttpAnswer } from '../../src/http.ts'
import { listen } from '../_setup/aggregator.ts'
import { createManualClock } from '../plugins/_setup.ts'
import { gate, head, say, watch } from './_upgrade.ts'

type Serve = (arrival: Arrival, signal: AbortSignal) => Result<HttpAnswer>

interface Served extends Pick<Door, 'drain'> {
  readonly url: URL
  /** Resolves with the outcome of each request, as its `over` tells. */
  readonly over: Promise<AggregatorError | undefined>
}

/** A door alone: whatever is claimed below `/claimed` is served by `serve`. */
const open = async (t: ExecutionContext, serve: Serve, stallMs = 60_000): Promise<Served> => {
  let tell: (error: AggregatorError | undefined) => void = () => undefined
  const over = new Promise<AggregatorError | undefined>((resolve) => (tell = resolve))
  const { handler, upgrade, drain } = door<string>({
    match: (_method, url) => (url.startsWith('/claimed') ? url : undefined),
    serve: (_claim, arrival, signal, refusal) => {
      void arrival.over.then(tell)
      return refusal === undefined ? serve(arrival, signal) : TE.left(refusal)
    },
    bodyLimitBytes: 1000,
    stallMs,
  })
  const server = createServer((request, response) => {
    handler(request, response, () => response.end('next'))
  })
  upgrade(server, { authenticate: () => ({ name: 'joe' }) })
  t.teardown(() => drain(0))
  return { url: new URL(await listen(t, server)), drain, over }
}

type Item = E.Either<AggregatorError, Uint8Array>

/** A stream that says when it is left. */
const streamOf = (items: Iterable<Item> | AsyncIterable<Item>): { answer: HttpAnswer; left: Promise<void> } => {
  const { open: leave, opened: left } = gate()
  const chunks = async function* (): AsyncGenerator<Item> {
    try {
      yield* items
    } finally {
      leave()
    }
  }
  return { answer: stream(200, {}, chunks()), left }
}

const text = (said: string): Item => E.right(Buffer.from(said))

/** Nothing, until the client has left. */
const silent = (signal: AbortSignal): AsyncIterable<Item> => ({
  [Symbol.asyncIterator]: () => ({
    next: () =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          resolve({ done: true, value: undefined })
        })
      }),
  }),
})

const endless: Serve = (_arrival, signal) => TE.right(stream(200, {}, silent(signal)))

const masked = (opcode: number, payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload])

const closeFrame = (code: number): string => `\x88.\x03${String.fromCharCode(code & 0xff)}`

test('tells a WebSocket apart, and says so to the service', async (t) => {
  const { url } = await open(t, ({ upgrade }) => TE.right(json(200, { upgrade: upgrade ?? 'none' })))
  const upgraded = await say(t, url, head('/claimed') + head('/claimed'))
  t.regex(await upgraded.all, /^HTTP\/1\.1 200 [^]*connection: close[^]*\{"upgrade":"websocket"\}$/i)
  t.deepEqual(await (await fetch(new URL('/claimed', url))).json(), { upgrade: 'none' })
})

test('reads no request behind an answer that is no stream, whenever it is sent (S14)', async (t) => {
  let served = 0
  const { url } = await open(t, () => {
    served++
    return TE.right(json(200, {}))
  })
  const { socket, all } = await say(t, url, head('/claimed') + 'GET /claimed HTTP/1.1\r\nhost: x\r\n\r\n')
  socket.on('data', () => socket.write('GET /claimed HTTP/1.1\r\nhost: x\r\n\r\n'))
  t.is((await all).match(/HTTP\/1\.1/g)?.length, 1)
  t.is(served, 1)
})

test('sends an answer that is larger than what a socket takes at once', async (t) => {
  const { url } = await open(t, () => TE.right(json(200, 'x'.repeat(5_000_000))))
  const { all } = await say(t, url, head('/claimed'))
  t.is((await all).match(/x+/g)?.at(-1)?.length, 5_000_000)
})

test('sends a stream that tells of a failure as the response that it is', async (t) => {
  const { url } = await open(t, () => TE.right({ ...streamOf([text('sorry')]).answer, status: 404 }))
  const { all } = await say(t, url, head('/claimed'))
  t.regex(await all, /^HTTP\/1\.1 404 [^]*sorry/)
})

test('gives what came with the upgrade to the WebSocket', async (t) => {
  const { url } = await open(t, endless)
  const { socket, all } = await say(
    t,
    url,
    Buffer.concat([Buffer.from(head('/claimed')), masked(1, Buffer.from('hello'))]),
  )
  socket.on('data', () => socket.end())
  t.regex(await all, new RegExp(closeFrame(1008)))
})

test('drops what a client says before it is answered, and hangs up if it was much', async (t) => {
  const { opened: begun, open: begin } = gate()
  const { opened, open: answer } = gate()
  const { url } = await open(t, (_arrival, signal) => {
    begin()
    return TE.fromTask(() => opened.then(() => stream(200, {}, silent(signal))))
  })
  const { socket, all } = await say(t, url, head('/claimed'))
  await begun
  // more than the kernel holds: somebody has read it
  socket.write('x'.repeat(20_000_000), answer)
  t.is(await all, '')
})

for (const [what, code, failure] of [
  ['1011 for a failure', 1011, { _tag: 'BadPlugin', message: 'no' }],
  ['1013 for a reader that is too slow', 1013, { _tag: 'TooManyRequests', message: 'no', retryAfterSeconds: 1 }],
  ['1011 for the time of a stream that has an end', 1011, { _tag: 'PluginTimeout', message: 'no' }],
] as const) {
  test(`closes with ${what}`, async (t) => {
    const { url, over } = await open(t, () => TE.right(streamOf([text('a'), E.left(failure)]).answer))
    const reader = watch(t, new WebSocket(`ws://${url.host}/claimed`))
    t.deepEqual(await reader.closed, { code, reason: 'no' })
    t.deepEqual(reader.messages, ['a'])
    t.deepEqual(await over, failure)
  })
}

test('closes with 1011 when a stream throws, and tells nothing of it', async (t) => {
  const broken = async function* (): AsyncGenerator<Item> {
    yield await Promise.resolve(text('a'))
    throw new Error('hush')
  }
  const { url } = await open(t, () => TE.right(stream(200, {}, broken())))
  const { code, reason } = await watch(t, new WebSocket(`ws://${url.host}/claimed`)).closed
  t.is(code, 1011)
  t.notRegex(reason, /hush/)
})

/** How a connection ends badly. */
const ends = {
  'resets the connection': (socket: Duplex & { resetAndDestroy: () => unknown }) => void socket.resetAndDestroy(),
  'half-closes it': (socket: Duplex) => void socket.end(),
  'sends garbage and half a frame': (socket: Duplex) => void socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff])),
  'sends a frame that is too long': (socket: Duplex) =>
    void socket.write(Buffer.from([0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])),
  'sends what is not masked': (socket: Duplex) => void socket.write(Buffer.from([0x81, 0x01, 0x61])),
  'floods it with pings': (socket: Duplex) => {
    socket.pause()
    const flood = (): void => {
      while (!socket.destroyed && socket.write(masked(9, Buffer.alloc(125))));
    }
    socket.on('drain', flood)
    flood()
  },
}
for (const [what, end] of Object.entries(ends)) {
  test(`lives on when a client ${what}`, async (t) => {
    const { opened, open: begun } = gate()
    const { url, over } = await open(t, (arrival, signal) => {
      begun()
      return endless(arrival, signal)
    })
    const { socket } = await say(t, url, head('/claimed'))
    await Promise.all([opened, once(socket, 'data')])
    end(socket)
    t.like(await over, { _tag: 'Cancelled' })
    t.is(await (await fetch(url)).text(), 'next')
  })
}

for (const what of ['resets the connection', 'half-closes it'] as const) {
  test(`cancels the request of a client that ${what} before it is answered`, async (t) => {
    const { opened, open: begun } = gate()
    const { url, over } = await open(t, (_arrival, signal) => {
      begun()
      return () =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            resolve(E.right(stream(200, {}, silent(signal))))
          })
        })
    })
    const { socket } = await say(t, url, head('/claimed'))
    await opened
    ends[what](socket)
    t.deepEqual(await over, { _tag: 'Cancelled' })
    t.is(await (await fetch(url)).text(), 'next')
  })
}

test('lives on when a client resets the connection that is being taken', async (t) => {
  const { url } = await open(t, endless)
  for (const path of ['/claimed', '/unclaimed']) {
    const { socket, all } = await say(t, url, head(path))
    socket.resetAndDestroy()
    await all
  }
  t.is(await (await fetch(url)).text(), 'next')
})

test('hangs up where an upgrade is queued behind a request that is not answered yet', async (t) => {
  const { opened, open: begun } = gate()
  const { url } = await open(t, (_arrival, signal) => {
    begun()
    return () =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          resolve(E.left({ _tag: 'Cancelled' }))
        })
      })
  })
  for (const path of ['/claimed', '/unclaimed']) {
    const { all } = await say(t, url, `GET /claimed HTTP/1.1\r\nhost: x\r\n\r\n${head(path)}`)
    await opened
    t.is(await all, '')
  }
})

test('lets go of its source when the client leaves', async (t) => {
  const { answer, left } = streamOf(
    (function* () {
      for (;;) yield text('x'.repeat(1000))
    })(),
  )
  const { url } = await open(t, () => TE.right(answer))
  const reader = watch(t, new WebSocket(`ws://${url.host}/claimed`))
  await reader.message(10)
  reader.socket.terminate()
  await left
  t.pass()
})

test('pulls no more than its client takes, and cuts one that takes nothing', async (t) => {
  let pulled = 0
  const { answer, left } = streamOf(
    (function* () {
      for (;;) {
        pulled++
        yield text('x'.repeat(100_000))
      }
    })(),
  )
  const { url, over } = await open(t, () => TE.right(answer), 200)
  const { socket } = await say(t, url, head('/claimed'))
  socket.pause()
  t.deepEqual(await over, { _tag: 'Cancelled' })
  await left
  // what the two kernels hold of it
  t.true(pulled < 200, String(pulled))
})

test('waits for a slow client to take the last message, then closes in order', async (t) => {
  const last = 'x'.repeat(20_000_000)
  const { url } = await open(t, () => TE.right(streamOf([text('a'), text(last)]).answer))
  const reader = watch(t, new WebSocket(`ws://${url.host}/claimed`))
  await reader.message(0)
  t.deepEqual(await reader.closed, { code: 1000, reason: '' })
  t.is(reader.messages[1]?.length, last.length)
})

test('cuts what still goes on when the time to drain is over', async (t) => {
  const { url, drain } = await open(t, endless)
  const reader = watch(t, new WebSocket(`ws://${url.host}/claimed`))
  await once(reader.socket, 'open')
  await drain(10)
  t.is((await reader.closed).code, 1006)
})

/** A sink alone, both ends of its connection, and its time. */
const sinkFor = async (t: ExecutionContext, options: ClientOptions = {}, stallMs = 60_000) => {
  const server = createServer()
  const webSockets = new WebSocketServer({ server })
  const url = new URL(await listen(t, server))
  const reader = watch(t, new WebSocket(`ws://${url.host}`, options))
  const opened = once(reader.socket, 'open')
  const [socket] = (await once(webSockets, 'connection')) as [WebSocket]
  await opened
  const shutdown = new AbortController().signal
  const { clock, advance, timers } = createManualClock()
  return {
    sink: websocketSink(socket, { stallMs, shutdown, isEndless: false, clock }),
    reader,
    socket,
    advance,
    timers,
  }
}

test('pings its client every 15 s, and cuts one that did not answer before the next', async (t) => {
  const { sink, reader, advance, timers } = await sinkFor(t, { autoPong: false })
  sink.begin()
  const pinged = once(reader.socket, 'ping')
  await advance(15_000)
  await pinged
  t.is(reader.socket.readyState, WebSocket.OPEN)
  await advance(15_000)
  t.is((await reader.closed).code, 1006)
  t.is(timers.size, 0)
})

test('keeps a client that answers its pings', async (t) => {
  const { sink, reader, socket, advance, timers } = await sinkFor(t)
  sink.begin()
  for (let pings = 0; pings < 3; pings++) {
    const answered = once(socket, 'pong')
    await advance(15_000)
    await answered
  }
  await sink.end(undefined, undefined)
  t.is((await reader.closed).code, 1000)
  t.is(timers.size, 0)
})

test('leaves a client that is behind to the stall, and pings it no more', async (t) => {
  const { sink, reader, advance } = await sinkFor(t, { autoPong: false })
  sink.begin()
  reader.socket.pause()
  while (sink.write(Buffer.alloc(1_000_000, 'x')));
  for (let beats = 0; beats < 3; beats++) await advance(15_000)
  const drained = new Promise<void>((resolve) => {
    sink.onDrain(resolve)
  })
  reader.socket.resume()
  await drained
  await sink.end(undefined, undefined)
  t.is((await reader.closed).code, 1000)
})

test('sends nothing more once its client closes', async (t) => {
  const { sink, reader } = await sinkFor(t)
  reader.socket.close(1000)
  await reader.closed
  t.false(sink.write(Buffer.from('a')))
  await sink.end({ _tag: 'BadPlugin', message: 'no' }, undefined)
  t.deepEqual(reader.messages, [])
})

test('cuts a client that does not take the end', async (t) => {
  const { sink, reader, socket } = await sinkFor(t, {}, 20)
  reader.socket.pause()
  while (sink.write(Buffer.alloc(1_000_000, 'x')));
  const closed = once(socket, 'close')
  await sink.end(undefined, undefined)
  t.deepEqual((await closed)[0], 1006)
})

test('carries many streams without a warning of a leak', async (t) => {
  const warnings: Error[] = []
  const keep = (warning: Error): void => void warnings.push(warning)
  process.on('warning', keep)
  t.teardown(() => process.off('warning', keep))
  const { url } = await open(t, () =>
    TE.right(stream(200, {}, silent(new AbortController().signal), { isEndless: true })),
  )
  const readers = Array.from({ length: 12 }, () => watch(t, new WebSocket(`ws://${url.host}/claimed`)))
  await Promise.all(readers.map(({ socket }) => once(socket, 'open')))
  t.deepEqual(warnings, [])
})
