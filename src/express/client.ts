import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Callbacks by socket, behind one listener each: pipelined requests share a socket, and Node warns of many listeners. */
const leavers = new WeakMap<Socket, Set<() => void>>()

const onSocketClose = (socket: Socket, callback: () => void): (() => void) => {
  let callbacks = leavers.get(socket)
  if (callbacks === undefined) {
    const all = new Set<() => void>()
    leavers.set(socket, all)
    socket.once('close', () => {
      for (const leave of [...all]) leave()
    })
    callbacks = all
  }
  const known = callbacks
  known.add(callback)
  return () => {
    known.delete(callback)
  }
}

/** The one who waits for an answer. */
export interface Client {
  /** Aborted when it leaves, or when `cancel` is called. */
  readonly signal: AbortSignal
  /** Resolves when it has its answer or has left. */
  readonly over: Promise<void>
  readonly cancel: () => void
}

/** `undefined`: it has left already. A response that is queued behind another has no socket, so the request's is watched too. */
export const watchClient = (request: IncomingMessage, response: ServerResponse): Client | undefined => {
  if (request.socket.destroyed || response.destroyed) return undefined
  const controller = new AbortController()
  const cancel = (): void => {
    controller.abort()
  }
  const over = new Promise<void>((resolve) => {
    const end = (): void => {
      forget()
      response.off('close', end).off('finish', end)
      if (!response.writableFinished) {
        cancel()
        // A queued response hears nothing of it by itself.
        response.destroy()
      }
      resolve()
    }
    const forget = onSocketClose(request.socket, end)
    response.on('close', end).on('finish', end)
  })
  return { signal: controller.signal, over, cancel }
}
