import type { WebSocket } from 'ws'

import { systemClock, type Clock } from '../clock.ts'
import { toStatus, type AggregatorError } from '../errors.ts'
import { createPieces } from './pieces.ts'
import type { Sink } from './pump.ts'

export interface WebSocketSinkOptions {
  /** How long a client may take nothing before it is cut, ms. */
  readonly stallMs: number
  /** Aborted when this server shuts down. */
  readonly shutdown: AbortSignal
  /** Whether the end of its time is the stream's own end, too. */
  readonly isEndless: boolean
  readonly clock?: Clock
}

/** Below the 60 s after which proxies on the way give up. */
const pingMs = 15_000

/** Bytes that may wait for the client before the next message is asked for. */
const waitingBytes = 16 * 1024

/** Close codes of RFC 6455, 7.4.1, and of IANA's registry. */
const normal = 1000
const goingAway = 1001
const policyViolation = 1008
const internalError = 1011
const tryAgainLater = 1013

const codeOf = (error: AggregatorError, { shutdown, isEndless }: WebSocketSinkOptions): number => {
  if (shutdown.aborted || (isEndless && error._tag === 'PluginTimeout')) return goingAway
  return error._tag === 'TooManyRequests' ? tryAgainLater : internalError
}

/** A close frame holds 125 bytes, the code among them; half a character would be a fault of the protocol. */
const reasonOf = (error: AggregatorError): string => {
  const { message } = toStatus(error)
  return message.slice(0, new TextEncoder().encodeInto(message, new Uint8Array(123)).read)
}

/**
 * A WebSocket that a stream goes to: each chunk is one text message, a large one in fragments. Closes with 1000 when the stream ended by itself, 1001
 * when this server shuts down or the time of an endless one is over (come again), 1013 when the reader was too slow, and 1011
 * for any other failure, the message of its Status being the reason. Nothing is read: a client that says something is closed
 * with 1008, and one that answers no ping before the next is cut.
 */
export const websocketSink = (socket: WebSocket, options: WebSocketSinkOptions): Sink => {
  const { stallMs, clock = systemClock } = options
  let onAllTaken = (): void => undefined
  let mayWait = waitingBytes
  let stopPinging = (): void => undefined
  let isAlive = true

  const isTaken = (): boolean => socket.bufferedAmount <= mayWait
  const look = (): void => {
    if (!isTaken()) return
    onAllTaken()
    pieces.taken()
  }
  // in fragments: RFC 6455, 5.4
  const pieces = createPieces((piece, isLast) => {
    // it is closing, and nothing drains any more
    if (socket.readyState !== socket.OPEN) return false
    socket.send(piece, { binary: false, fin: isLast }, look)
    return isTaken()
  })
  const ping = (): void => {
    stopPinging = clock.setTimeout(ping, pingMs)
    // behind what waits, no ping would arrive in time; that client is cut by the stall
    if (!isTaken()) return
    if (!isAlive) {
      socket.terminate()
      return
    }
    isAlive = false
    socket.ping(undefined, undefined, look)
  }
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      stopPinging()
      resolve()
    })
  })
  /** The time for the answer to a close runs from then on: a slow reader has none to lose. */
  const everythingTaken = async (): Promise<void> => {
    mayWait = 0
    if (isTaken()) return
    const stall = setTimeout(() => {
      socket.terminate()
    }, stallMs)
    const taken = new Promise<void>((resolve) => {
      onAllTaken = resolve
    })
    await Promise.race([taken, closed])
    clearTimeout(stall)
  }
  socket.on('pong', () => {
    isAlive = true
  })
  socket.on('message', () => {
    socket.close(policyViolation, 'nothing is read here: publish with POST')
  })
  // of a frame that is none, or of a reset: it is closed after that, which is all there is to know
  socket.on('error', () => undefined)

  return {
    begin: () => {
      stopPinging = clock.setTimeout(ping, pingMs)
    },
    write: pieces.write,
    onDrain: pieces.onDrain,
    heartbeat: () => undefined,
    end: async (error) => {
      // a message that is cut short is none
      pieces.rest()
      await everythingTaken()
      if (error === undefined) socket.close(normal)
      else socket.close(codeOf(error, options), reasonOf(error))
      await closed
    },
    cut: () => {
      socket.terminate()
    },
  }
}
