import type { Agent, ClientRequest } from 'node:http'
import type { Duplex } from 'node:stream'

const unasked = function (this: Duplex): void {
  this.destroy()
}

/**
 * Has an agent close an idle connection on which something comes: who answers before he was asked, or twice (a balancer's 408, say), must
 * not be heard by the next request, which may be another user's. `mayKeep` is asked before one is kept.
 */
export const guardKeptSockets = (agent: Agent, mayKeep: () => boolean = () => true): void => {
  const keep = agent.keepSocketAlive.bind(agent)
  agent.keepSocketAlive = (socket): boolean => {
    if (!mayKeep()) return false
    // the type of it promises nothing, and Node gives a boolean
    const isKept: unknown = keep(socket)
    if (isKept === false) return false
    socket.once('data', unasked)
    return true
  }
  const reuse = agent.reuseSocket.bind(agent)
  agent.reuseSocket = (socket, request: ClientRequest): void => {
    socket.off('data', unasked)
    reuse(socket, request)
  }
}
