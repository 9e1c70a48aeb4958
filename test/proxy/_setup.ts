import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import { createServer as createRawServer, type Server as RawServer, type Socket } from 'node:net'

import type { ExecutionContext } from 'ava'

import type { AggregatorError } from '../../src/errors.ts'
import type { ForwardAnswer, Forwarder, ForwardRequest, ForwardTransport } from '../../src/forward.ts'
import { E } from '../../src/fp.ts'
import type { ByteStream } from '../../src/http.ts'
import { createForwarder, toProxySettings, type ForwarderOptions, type ProxyOptions } from '../../src/proxy/index.ts'

export interface Upstream {
  /** Without a slash at its end. */
  readonly url: string
  readonly port: number
  /** Connections that were made, so far. */
  readonly accepted: () => number
  /** Resolves when no connection is left. */
  readonly deserted: () => Promise<void>
}

const watchConnections = async (
  t: ExecutionContext,
  server: RawServer,
  event: string,
  protocol: string,
): Promise<Upstream> => {
  const open = new Set<Socket>()
  const waiting = new Set<() => void>()
  let accepted = 0
  server.on('connection', (socket: Socket) => {
    accepted += 1
    open.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => {
      open.delete(socket)
      if (open.size === 0) for (const resolve of waiting) resolve()
    })
  })
  server.on(event, (_error: unknown, socket?: Socket) => socket?.destroy())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of open) socket.destroy()
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `${protocol}://localhost:${String(port)}`,
    port,
    accepted: () => accepted,
    deserted: () =>
      new Promise((resolve) => {
        if (open.size === 0) resolve()
        else waiting.add(resolve)
      }),
  }
}

export const serve = (t: ExecutionContext, listener: RequestListener): Promise<Upstream> => {
  // it keeps connections for ever, so that each that ends was ended by us
  const server: Server = createServer({ keepAliveTimeout: 0 }, listener)
  return watchConnections(t, server, 'clientError', 'http')
}

export const serveTls = (t: ExecutionContext, options: ServerOptions, listener: RequestListener): Promise<Upstream> =>
  watchConnections(t, createTlsServer(options, listener), 'tlsClientError', 'https')

/** A server that writes what it likes. */
export const serveRaw = (t: ExecutionContext, onConnection: (socket: Socket) => void): Promise<Upstream> =>
  watchConnections(t, createRawServer(onConnection), 'error', 'http')

/** Answers each request, whatever it is, with the same bytes. */
export const serveBytes = (t: ExecutionContext, ...bytes: ReadonlyArray<string>): Promise<Upstream> =>
  serveRaw(t, (socket) => {
    socket.once('data', () => {
      for (const part of bytes) socket.write(part, 'latin1')
    })
  })

export const makeForwarder = (
  t: ExecutionContext,
  { lookup, ...options }: ProxyOptions & Pick<ForwarderOptions, 'lookup'> = {},
): Forwarder => {
  const forwarder = createForwarder({ ...toProxySettings(options), ...(lookup === undefined ? {} : { lookup }) })
  t.teardown(() => forwarder.close())
  return forwarder
}

export const transport: ForwardTransport = {
  pool: { owner: 'default/prometheus/p1', settings: '1' },
  tls: { skipVerify: false },
  timeoutMs: 30_000,
  dialTimeoutMs: 10_000,
  tlsHandshakeTimeoutMs: 10_000,
  idleTimeoutMs: 90_000,
  maxIdle: 100,
}

export type Sent = E.Either<AggregatorError, ForwardAnswer>
export type Asked = Partial<Omit<ForwardRequest, 'url' | 'transport'>> & {
  readonly signal?: AbortSignal
  readonly transport?: Partial<ForwardTransport>
}

/** A GET without headers, unless told otherwise. */
export const send = (
  { forward }: Forwarder,
  url: string,
  { signal = new AbortController().signal, transport: other, ...asked }: Asked = {},
): Promise<Sent> =>
  forward(
    { method: 'GET', url, headers: {}, body: undefined, ...asked, transport: { ...transport, ...other } },
    { signal },
  )()

export const rightOf = (t: ExecutionContext, sent: Sent): ForwardAnswer => {
  if (E.isRight(sent)) return sent.right
  t.log(sent.left)
  return t.fail('expected an answer')
}

export const leftOf = (t: ExecutionContext, sent: Sent): AggregatorError => {
  if (E.isLeft(sent)) return sent.left
  return t.fail(`expected a failure, got ${String(sent.right.status)}`)
}

export interface Read {
  readonly bytes: Buffer
  readonly error: AggregatorError | undefined
}

export const readAll = async (body: ByteStream): Promise<Read> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) {
    if (E.isLeft(chunk)) return { bytes: Buffer.concat(chunks), error: chunk.left }
    chunks.push(chunk.right)
  }
  return { bytes: Buffer.concat(chunks), error: undefined }
}

/** The text of an answer that must be whole. */
export const textOf = async (t: ExecutionContext, sent: Sent): Promise<string> => {
  const { bytes, error } = await readAll(rightOf(t, sent).body)
  t.is(error, undefined)
  return bytes.toString()
}

export interface Source extends AsyncIterator<E.Either<AggregatorError, Uint8Array>, undefined> {
  readonly stream: ByteStream
  readonly taken: () => number
  /** Resolves when nobody wants more of it. */
  readonly left: Promise<void>
}

/** A body whose chunks are made as they are asked for; `undefined` ends it. */
export const source = (
  make: (index: number) => E.Either<AggregatorError, Uint8Array> | undefined | Promise<never>,
): Source => {
  let taken = 0
  let leave = (): void => undefined
  const left = new Promise<void>((resolve) => (leave = resolve))
  const iterator: AsyncIterator<E.Either<AggregatorError, Uint8Array>, undefined> = {
    next: async () => {
      const chunk = await make(taken++)
      return chunk === undefined ? { done: true, value: undefined } : { done: false, value: chunk }
    },
    return: () => {
      leave()
      return Promise.resolve({ done: true, value: undefined })
    },
  }
  return { ...iterator, stream: { [Symbol.asyncIterator]: () => iterator }, taken: () => taken, left }
}

export const bodyOf = (...texts: ReadonlyArray<string>): ByteStream =>
  source((index) => {
    const text = texts[index]
    return text === undefined ? undefined : E.right(Buffer.from(text))
  }).stream

/** Gives a promise, and what resolves it. */
export const signalOf = <A = void>(): { readonly promise: Promise<A>; readonly resolve: (value: A) => void } => {
  let resolve: (value: A) => void = () => undefined
  const promise = new Promise<A>((given) => (resolve = given))
  return { promise, resolve }
}
