import { Agent } from 'node:http'
import type { SecureContext } from 'node:tls'

import { guardKeptSockets } from '../kept-sockets.ts'
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
