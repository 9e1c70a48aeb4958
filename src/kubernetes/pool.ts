import { Agent, type ClientRequest } from 'node:http'
import type { Duplex } from 'node:stream'
import type { SecureContext } from 'node:tls'

import { tcpKeepAliveMs, type Connector } from './connector.ts'

/** Connections at a time; more requests wait. Proxied ones may be more while they are being made. */
const maxSockets = 32

/** An idle connection is closed after that, or sooner if the server says so (`Keep-Alive: timeout=5`). Shorter than servers of Go wait. */
const idleTimeoutMs = 30_000

/** Connections that are used again. */
export interface Pool {
  readonly agent: Agent
  readonly closeIdle: () => void
  /** Keeps none any more, and lets requests end: certificates have changed. */
  readonly retire: () => void
}

export const createPool = (connector: Connector, secureContext: SecureContext | undefined): Pool => {
  const agent = new Agent({ keepAlive: true, keepAliveMsecs: tcpKeepAliveMs, maxSockets, timeout: idleTimeoutMs })
  agent.createConnection = (_options, callback) =>
    connector.connect(secureContext, (error, socket) => {
      if (callback === undefined) socket?.destroy()
      else if (socket !== undefined) callback(null, socket)
      // the type of it wants a socket, even where there is none
      else Reflect.apply(callback, undefined, [error])
    })
  let isRetired = false
  const keep = agent.keepSocketAlive.bind(agent)
  // what comes unasked, such as the 408 of a balancer that is tired of waiting, must not be heard as the answer to the next request
  const unasked = function (this: Duplex): void {
    this.destroy()
  }
  agent.keepSocketAlive = (socket) => {
    if (isRetired) return false
    const isKept: unknown = keep(socket)
    if (isKept === false) return false
    socket.once('data', unasked)
    return true
  }
  const reuse = agent.reuseSocket.bind(agent)
  agent.reuseSocket = (socket, request: ClientRequest) => {
    socket.off('data', unasked)
    reuse(socket, request)
  }

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
