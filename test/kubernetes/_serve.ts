import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import { connect, createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Duplex, Readable } from 'node:stream'

import type { ExecutionContext } from 'ava'

import { toApiServer, type ApiServerOptions } from '../../src/kubernetes/api-server.ts'
import type { Access } from '../../src/kubernetes/access.ts'
import { createCredentials } from '../../src/kubernetes/credentials.ts'
import { createHttpTransport } from '../../src/kubernetes/http-transport.ts'
import type { OpenRequest, Transport } from '../../src/kubernetes/transport.ts'
import { systemClock, type Clock } from '../../src/clock.ts'
import { silentLogger } from '../../src/logger.ts'
import { authority, serverCertificate } from '../proxy/_certificates.ts'

export interface Served {
  readonly port: number
  /** All that were ever opened. */
  readonly sockets: ReadonlyArray<Socket>
  /** Resolves when none is open. */
  readonly quiet: () => Promise<void>
}

/** An error on the way is none here. */
export const closeOf = (stream: Duplex | Readable): Promise<void> =>
  new Promise((resolve) => {
    if (stream.closed) resolve()
    stream.once('close', () => {
      resolve()
    })
  })

const track = async (t: ExecutionContext, server: Server): Promise<Served> => {
  const sockets: Socket[] = []
  server.on('connection', (socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    quiet: async () => {
      await Promise.all(sockets.map(closeOf))
    },
  }
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export const serve = (t: ExecutionContext, handler: Handler): Promise<Served> => track(t, createServer(handler))

export const serveTls = (t: ExecutionContext, handler: Handler, options: ServerOptions = {}): Promise<Served> =>
  track(t, createTlsServer({ ...serverCertificate, ...options }, handler))

export const serveTcp = (t: ExecutionContext, onSocket: (socket: Socket) => void): Promise<Served> =>
  track(t, createTcpServer(onSocket))

export interface Proxied {
  readonly url: string
  readonly served: Served
  /** Request lines and logins. */
  readonly asked: ReadonlyArray<string>
}

/** A proxy that does as it is told by CONNECT, over TLS if it is given a certificate. */
export const serveProxy = async (t: ExecutionContext, certificate?: ServerOptions): Promise<Proxied> => {
  const asked: string[] = []
  const server = certificate === undefined ? createServer() : createTlsServer(certificate)
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    asked.push(`${request.url ?? ''} ${request.headers['proxy-authorization'] ?? ''}`.trim())
    const way = connect(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      way.pipe(socket).pipe(way)
    })
    for (const one of [way, socket]) {
      one
        .on('error', () => undefined)
        .on('close', () => {
          way.destroy()
          socket.destroy()
        })
    }
  })
  const served = await track(t, server)
  const origin = certificate === undefined ? 'http://127.0.0.1' : 'https://localhost'
  return { url: `${origin}:${String(served.port)}`, served, asked }
}

export const transportOf = (t: ExecutionContext, access: Access, clock: Clock = systemClock): Transport => {
  const transport = createHttpTransport(access, createCredentials(access, clock, silentLogger), clock)
  t.teardown(() => transport.close())
  return transport
}

/** To `localhost` by TLS, trusting the authority of the tests. */
export const tlsTransport = (t: ExecutionContext, { port }: Served, options: ApiServerOptions = {}): Transport =>
  transportOf(t, toApiServer(`https://localhost:${String(port)}`, { ca: authority, ...options }))

export const plainTransport = (t: ExecutionContext, { port }: Served, options: ApiServerOptions = {}): Transport =>
  transportOf(t, toApiServer(`http://127.0.0.1:${String(port)}`, options))

/** A GET with a minute for it. */
export const get = (path = '/api', more: Partial<OpenRequest> = {}): OpenRequest => ({
  method: 'GET',
  path,
  signal: new AbortController().signal,
  headersTimeoutMs: 60_000,
  ...more,
})

export const textOf = async (body: AsyncIterable<Buffer>): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** What a failed open says. */
export const messageOf = (answer: unknown): string => {
  const { left } = answer as { left: { _tag: string; message?: string } }
  return left.message ?? left._tag
}
