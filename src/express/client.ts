import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

import type { AggregatorError } from '../errors.ts'

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

const ignore = (): void => undefined

/** The one who waits for an answer. */
export interface Client {
  /** Aborted when it leaves, or when `cancel` is called. */
  readonly signal: AbortSignal
  /** Resolves when it has its answer or has left, with what kept the answer from being whole. */
  readonly over: Promise<AggregatorError | undefined>
  readonly cancel: () => void
  /** What keeps the answer from being whole; the first one counts. */
  readonly fail: (error: AggregatorError) => void
  /** Looks at it no more: somebody else answers. */
  readonly release: () => void
}

/** `undefined`: it has left already. A response that is queued behind another has no socket, so the request's is watched too. */
export const watchClient = (request: IncomingMessage, response: ServerResponse): Client | undefined => {
  if (request.socket.destroyed || response.destroyed) return undefined
  const controller = new AbortController()
  const cancel = (): void => {
    controller.abort()
  }
  let failure: AggregatorError | undefined
  const fail = (error: AggregatorError): void => {
    failure ??= error
  }
  let release = (): void => undefined
  const over = new Promise<AggregatorError | undefined>((resolve) => {
    const leave = (): void => {
      forget()
      response.off('close', end).off('finish', end)
    }
    const end = (): void => {
      leave()
      if (!response.writableFinished) {
        fail({ _tag: 'Cancelled' })
        cancel()
        // A queued response hears nothing of it by itself.
        response.destroy()
      }
      resolve(failure)
    }
    const forget = onSocketClose(request.socket, end)
    // the last: of what is still written to an answer that a middleware of the host has ended
    response.on('close', end).on('finish', end).on('error', ignore)
    release = () => {
      leave()
      response.off('error', ignore)
      resolve(failure)
    }
  })
  return { signal: controller.signal, over, cancel, fail, release }
}
