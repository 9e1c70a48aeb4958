import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import { isIP, Socket } from 'node:net'
import type { SecureContext } from 'node:tls'

import type { ForwardTransport } from '../forward.ts'
import { guardKeptSockets } from '../kept-sockets.ts'
import { BlockedAddress, closing, gatewayTimeout, KnownError } from './failure.ts'
import { guardedLookup, type Lookup } from './lookup.ts'
import type { Guard } from './networks.ts'

/** What all connections of a forwarder pass. */
export interface Gate {
  readonly guard: Guard
  /** Every connection there is. */
  readonly sockets: Set<Socket>
  readonly isClosed: () => boolean
  readonly lookup: Lookup
}

/** Connections to one datasource, kept between requests. */
export interface KeptConnections {
  readonly agent: Agent
  /** Closes those that carry no request. */
  readonly closeIdle: () => void
  /** The same, and each of the others when its request is over. */
  readonly retire: () => void
}

const nothing = (): void => undefined

/** Bounds the steps of a connection, and looks where it went before a byte, TLS's own included, is written. */
const watch = (socket: Socket, isTls: boolean, { guard }: Gate, transport: ForwardTransport): void => {
  let timer: NodeJS.Timeout | undefined
  const within = (timeoutMs: number, did: string): void => {
    if (timeoutMs === 0) return
    timer = setTimeout(() => {
      socket.destroy(new KnownError(gatewayTimeout(did, timeoutMs)))
    }, timeoutMs)
  }
  const rest = (): void => {
    clearTimeout(timer)
  }
  within(transport.dialTimeoutMs, 'take a connection')
  // before those who write: Node's own listeners are there already
  socket.prependOnceListener('connect', () => {
    rest()
    const { remoteAddress } = socket
    if (remoteAddress === undefined) socket.destroy()
    else if (!guard(remoteAddress)) socket.destroy(new BlockedAddress())
    else if (isTls) within(transport.tlsHandshakeTimeoutMs, 'agree on TLS')
  })
  socket.once('secureConnect', rest).once('close', rest)
  // between two requests nobody else listens
  socket.on('error', nothing)
}

/** The connections of one datasource, to all the hosts that it has. */
export const createConnections = (
  transport: ForwardTransport,
  secureContext: SecureContext | undefined,
  gate: Gate,
): KeptConnections => {
  const { idleTimeoutMs, maxIdle, tls } = transport
  let isRetired = false
  const options = {
    // Node takes 0 for its own default
    keepAlive: maxIdle > 0,
    maxFreeSockets: maxIdle,
    // of idle ones; one in use just emits an event that nobody listens to
    timeout: idleTimeoutMs,
    lookup: guardedLookup(gate.lookup, gate.guard),
  }
  const isTls = secureContext !== undefined
  const agent = isTls
    ? new TlsAgent({
        ...options,
        // not the PEM texts: they would be part of the name by which each request finds its connection
        secureContext,
        rejectUnauthorized: !tls.skipVerify,
        ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
      })
    : new Agent(options)

  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (given, callback) => {
    if (gate.isClosed()) throw new KnownError(closing)
    const { host } = given
    // no look-up is made for an address
    if (typeof host === 'string' && isIP(host) !== 0 && !gate.guard(host)) throw new BlockedAddress()
    const socket = connect(given, callback)
    if (!(socket instanceof Socket)) return socket
    gate.sockets.add(socket)
    socket.once('close', () => gate.sockets.delete(socket))
    watch(socket, isTls, gate, transport)
    return socket
  }

  guardKeptSockets(agent, () => !isRetired)

  const closeIdle = (): void => {
    for (const idle of Object.values(agent.freeSockets)) for (const socket of [...(idle ?? [])]) socket.destroy()
  }
  return {
    agent,
    closeIdle,
    retire: () => {
      isRetired = true
      closeIdle()
    },
  }
}
