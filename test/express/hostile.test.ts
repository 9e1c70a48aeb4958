import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'

import test, { type ExecutionContext } from 'ava'

import { door } from '../../src/express/handler.ts'
import { createPieces, pieceBytes } from '../../src/express/pieces.ts'
import { E, TE } from '../../src/fp.ts'
import { bytes, json, stream, type Arrival, type ByteStream, type HttpAnswer } from '../../src/http.ts'
import { listen } from '../_setup/aggregator.ts'
import { head } from './_upgrade.ts'
import { manualSource } from './streams.ts'

interface Given {
  readonly stallMs?: number
  /** What the host does with a request before the door has it; true: it keeps it for itself. */
  readonly host?: (request: IncomingMessage, response: ServerResponse) => boolean
}

/** A door with one answer behind it; `over` are the ends of its requests, in the order that they came. */
const serve = async (t: ExecutionContext, answer: (arrival: Arrival) => HttpAnswer, given: Given = {}) => {
  const { stallMs = 60_000, host = () => false } = given
  const over: Array<Arrival['over']> = []
  const { handler, upgrade, drain } = door<string>({
    match: (_method, url) => url,
    serve: (_claim, arrival) => {
      over.push(arrival.over)
      return TE.right(answer(arrival))
    },
    bodyLimitBytes: 1000,
    stallMs,
  })
  const server: Server = createServer((request, response) => {
    if (!host(request, response)) handler(request, response, () => undefined)
  })
  upgrade(server, { authenticate: () => ({ name: 'joe' }) })
  t.teardown(() => drain(0))
  return { url: new URL(await listen(t, server)), server, drain, over }
}

const open = async (t: ExecutionContext, url: URL): Promise<Socket> => {
  const socket = connect(Number(url.port), url.hostname)
  t.teardown(() => socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

const size = 4_000_000
const large = Buffer.alloc(size, 'x')

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`

/** Whatever it is, it is given as bytes. */
const chunksOf = (...given: ReadonlyArray<unknown>): ByteStream => ({
  async *[Symbol.asyncIterator]() {
    for (const chunk of given) yield E.right((await chunk) as Uint8Array)
  },
})
const failing: ByteStream = {
  async *[Symbol.asyncIterator]() {
    yield await Promise.resolve(E.right(large))
    yield E.left({ _tag: 'BadPlugin', message: 'garbage' })
  },
}
const never = new Promise<never>(() => undefined)

test('gives pieces of a chunk one after the other, and says how far it is', (t) => {
  const told: Array<string | readonly [bytes: number, isLast: boolean]> = []
  let isFull = true
  const pieces = createPieces((piece, isLast) => {
    told.push([piece.length, isLast])
    return !isFull
  })
  t.false(pieces.write(Buffer.alloc(2 * pieceBytes + 1)))
  pieces.onDrain(
    () => told.push('drained'),
    () => told.push('moved'),
  )
  pieces.taken()
  isFull = false
  pieces.taken()
  pieces.taken()
  t.deepEqual(told, [[pieceBytes, false], [pieceBytes, false], 'moved', [1, true], 'drained'])
  isFull = true
  t.false(pieces.write(Buffer.alloc(pieceBytes + 1)))
  t.deepEqual(
    pieces.rest().map(({ length }) => length),
    [1],
  )
})

/** A connection whose client takes 5 kB in a millisecond; `over` resolves with how much it took. */
const slowConnection = (text: string): { readonly socket: Duplex; readonly over: Promise<number> } => {
  let taken = 0
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk: Uint8Array, _encoding, done) => {
      setTimeout(() => {
        taken += chunk.length
        done()
        if (taken > size) socket.push(null)
      }, chunk.length / 5000)
    },
  })
  socket.on('error', () => undefined)
  socket.push(text)
  const over = new Promise<number>((resolve) => {
    socket.on('close', () => {
      resolve(taken)
    })
  })
  return { socket, over }
}

// 800 ms for all of it, 26 ms for a piece
for (const [how, text, answer] of [
  ['that is all there is', get('/x'), () => stream(200, {}, chunksOf(large))],
  ['that is followed by others', get('/x'), () => stream(200, {}, chunksOf(large, Buffer.from('end')))],
  ['that is ready', get('/x'), () => bytes(200, {}, [large])],
  ['before a failure', get('/x'), () => stream(200, {}, failing, { farewell: () => Buffer.from('end') })],
  ['as a message', head('/x'), () => stream(200, {}, chunksOf(large))],
] as const) {
  test(`keeps a client that takes a large chunk slowly: one ${how}`, async (t) => {
    const { server } = await serve(t, answer, { stallMs: 400 })
    const { socket, over } = slowConnection(text)
    server.emit('connection', socket)
    const taken = await over
    t.true(taken > size, String(taken))
  })
}

for (const [what, given] of [
  ['a list', [1, 2]],
  ['a text', 'é'],
  ['an array of other numbers', new Float64Array(3)],
] as const) {
  test(`cuts the answer of a plugin that gives ${what} for bytes, and lives on`, async (t) => {
    const { url, over } = await serve(t, () => stream(200, {}, chunksOf(given, never)))
    await t.throwsAsync(async () => (await fetch(url)).text())
    t.is((await over[0])?._tag, 'Unexpected')
  })
}

test('lives on when the host ends an answer that it has handed on', async (t) => {
  const source = manualSource()
  let response: ServerResponse | undefined
  const host = (_request: IncomingMessage, given: ServerResponse): boolean => {
    response = given
    return false
  }
  const { url } = await serve(t, () => stream(200, {}, source.chunks), { host })
  const fetched = fetch(url)
  await source.asked(1)
  source.give('a')
  const answer = await fetched
  await source.asked(2)
  response?.end()
  // written before Node has told anybody of the end
  source.give('b')
  t.is(await answer.text(), 'a')
  await source.left
})

test('lives on when what the host put in the way of the head throws', async (t) => {
  const host = (_request: IncomingMessage, response: ServerResponse): boolean => {
    response.writeHead = () => {
      throw new Error('no head')
    }
    return false
  }
  const { url, over } = await serve(t, () => stream(200, {}, chunksOf(never)), { host })
  await t.throwsAsync(fetch(url))
  t.deepEqual(await over[0], { _tag: 'Cancelled' })
})

test('gives back the place of a request that waits behind an endless answer of its own connection', async (t) => {
  const { url, over } = await serve(
    t,
    ({ method }) => (method === 'GET' ? stream(200, {}, chunksOf(never)) : json(200, {})),
    { stallMs: 50 },
  )
  const socket = await open(t, url)
  socket.write(get('/x') + get('/y').replace('GET', 'POST'))
  await once(socket.resume(), 'close')
  t.deepEqual(await Promise.all(over), [{ _tag: 'Cancelled' }, { _tag: 'Cancelled' }])
})

test('waits in drain() for no request behind an endless answer of the host', async (t) => {
  const { url, drain, over } = await serve(t, () => json(200, {}), {
    host: ({ url: path }, response) => {
      if (path === '/x') return false
      response.write('host')
      return true
    },
  })
  const socket = await open(t, url)
  socket.write(get('/host') + get('/x'))
  await once(socket, 'data')
  await drain(0)
  t.deepEqual(await over[0], { _tag: 'Cancelled' })
})
