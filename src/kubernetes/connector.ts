import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, type ConnectionOptions, type SecureContext } from 'node:tls'

import type { Clock } from '../clock.ts'
import type { Access } from './access.ts'
import { KnownError, unreachable } from './failure.ts'

/** Time to a connection that works: TCP, the proxy's leave and TLS, each. Source: client-go gives TCP 30 s and TLS 10 s. */
const connectTimeoutMs = 10_000

/** A peer that is gone without a word is found out within some minutes. */
export const tcpKeepAliveMs = 15_000

type OnSocket = (error: Error | null, socket?: Socket) => void

/** Makes connections to one apiserver, and knows all that are open. */
export interface Connector {
  /** The socket, connected or about to be; `undefined`: `onSocket` is told, as a proxy has to be asked first. */
  readonly connect: (secureContext: SecureContext | undefined, onSocket: OnSocket) => Socket | undefined
  /** Destroys all; resolves when all are closed. */
  readonly close: () => Promise<void>
}

const nothing = (): void => undefined

/** As the modules of Node want it: without the brackets of IPv6. */
const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '')

const portOf = ({ port, protocol }: URL): number => Number(port) || (protocol === 'https:' ? 443 : 80)

/** SNI carries no addresses (RFC 6066, 3), though a certificate may name one; left out, Node would take it from the header `host`. */
const nameChecks = (name: string): ConnectionOptions => ({
  servername: isIP(name) === 0 ? name : '',
  checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
})

const loginOf = ({ username, password }: URL): string =>
  Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')

export const createConnector = ({ server, tls, proxy }: Access, clock: Clock): Connector => {
  const sockets = new Set<Socket>()
  let isClosed = false
  const isTls = server.protocol === 'https:'
  const place = { host: hostOf(server), port: portOf(server) }

  const timeout = (what: string): KnownError =>
    new KnownError(unreachable(`${what} within ${String(connectTimeoutMs)} ms`))

  /** `event` tells that it works. */
  const watch = (socket: Socket, event: 'connect' | 'secureConnect', what: string): Socket => {
    sockets.add(socket)
    const stop = clock.setTimeout(() => {
      socket.destroy(timeout(what))
    }, connectTimeoutMs)
    socket
      .setNoDelay(true)
      .setKeepAlive(true, tcpKeepAliveMs)
      .once(event, stop)
      .once('close', () => {
        stop()
        sockets.delete(socket)
      })
      // between two requests nobody else listens
      .on('error', nothing)
    if (isClosed) socket.destroy()
    return socket
  }

  const secure = (secureContext: SecureContext | undefined, way: ConnectionOptions): Socket => {
    const trust = { secureContext, rejectUnauthorized: !tls.isInsecure, ...nameChecks(tls.serverName ?? place.host) }
    return watch(connectTls({ ...way, ...trust }), 'secureConnect', 'the apiserver did not agree on TLS')
  }

  const direct = (secureContext: SecureContext | undefined): Socket =>
    isTls ? secure(secureContext, place) : watch(connectPlain(place), 'connect', 'the apiserver took no connection')

  /** RFC 9110, 9.3.6. What the proxy says, yes or no, never passes for an answer of the apiserver. */
  const tunnel = (through: URL, secureContext: SecureContext | undefined, onSocket: OnSocket): void => {
    const authority = `${server.hostname}:${String(place.port)}`
    const isTlsProxy = through.protocol === 'https:'
    const name = hostOf(through)
    const login =
      through.username + through.password === '' ? {} : { 'proxy-authorization': `Basic ${loginOf(through)}` }
    const asked = (isTlsProxy ? httpsRequest : httpRequest)({
      method: 'CONNECT',
      host: name,
      port: portOf(through),
      path: authority,
      headers: { host: authority, ...login },
      agent: false,
      // as client-go: whom a kubeconfig trusts, it trusts as the proxy, too
      ...(isTlsProxy ? { secureContext, rejectUnauthorized: !tls.isInsecure, ...nameChecks(name) } : {}),
    })
    const stop = clock.setTimeout(() => {
      asked.destroy(timeout('the proxy gave no connection'))
    }, connectTimeoutMs)
    let isTold = false
    const tell: OnSocket = (error, socket) => {
      stop()
      if (isTold) socket?.destroy()
      else onSocket(error, socket)
      isTold = true
    }
    asked
      .once('socket', (socket) =>
        watch(socket, isTlsProxy ? 'secureConnect' : 'connect', 'the proxy took no connection'),
      )
      .once('connect', ({ statusCode = 0 }, socket: Socket, head) => {
        // what came before we spoke is nobody's answer
        if (statusCode >= 200 && statusCode < 300 && head.length === 0) {
          tell(null, isTls ? secure(secureContext, { socket }) : socket)
          return
        }
        socket.destroy()
        tell(new KnownError(unreachable(`the proxy refused the connection (${String(statusCode)})`)))
      })
      .on('error', (cause) => {
        const means = unreachable(`the proxy cannot be reached (${'code' in cause ? String(cause.code) : cause.name})`)
        tell(cause instanceof KnownError ? cause : new KnownError(means))
      })
      .once('close', () => {
        tell(new KnownError(unreachable('the proxy closed the connection before it answered')))
      })
      .end()
  }

  return {
    connect: (secureContext, onSocket) => {
      if (proxy === undefined) return direct(secureContext)
      tunnel(proxy, secureContext, onSocket)
      return undefined
    },
    close: async () => {
      isClosed = true
      const open = [...sockets]
      await Promise.all(
        open.map(
          (socket) =>
            new Promise<void>((resolve) => {
              socket.once('close', () => {
                resolve()
              })
              socket.destroy()
            }),
        ),
      )
    },
  }
}
