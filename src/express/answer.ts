import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

import type { HeaderMap, HttpAnswer } from '../http.ts'
import { createPieces, pieceBytes } from './pieces.ts'
import { pump, type Delivery, type Sink } from './pump.ts'

export type { Delivery }

/** Also one that waits behind another, and has no socket yet: it would hold its place for as long as that one goes on. */
export const cut = (response: ServerResponse): void => {
  const waits = response.socket === null && !response.writableFinished
  response.destroy()
  if (waits) response.req.socket.destroy()
}

const setHeaders = (response: ServerResponse, headers: HeaderMap): void => {
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) response.setHeader(name, typeof value === 'string' ? value : [...value])
  }
}

/** Waits for the client to take what was written. */
const taken = (response: ServerResponse, event: 'drain' | 'finish', { stallMs, over }: Delivery): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      response.off(event, done)
      resolve()
    }
    const timer = setTimeout(() => {
      cut(response)
      done()
    }, stallMs)
    response.on(event, done)
    void over.then(done)
  })

const end = async (response: ServerResponse, last: Uint8Array | undefined, delivery: Delivery): Promise<void> => {
  const finished = taken(response, 'finish', delivery)
  response.end(last)
  await finished
}

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

/** Writes a piece; resolves when the socket has taken it, and others have had a turn. */
const put = async (response: ServerResponse, piece: Uint8Array, delivery: Delivery): Promise<void> => {
  if (response.write(piece)) await nextTurn()
  else await taken(response, 'drain', delivery)
}

/** Writes a chunk but for its last piece, which it gives back. */
const putMost = async (response: ServerResponse, chunk: Uint8Array, delivery: Delivery): Promise<Uint8Array> => {
  let rest = chunk
  while (rest.length > pieceBytes && !response.destroyed) {
    await put(response, rest.subarray(0, pieceBytes), delivery)
    rest = rest.subarray(pieceBytes)
  }
  return rest
}

/**
 * Sends chunks as they are made, piece by piece: the next one is made when the socket has taken the last, and other requests have
 * had a turn in between. A single chunk goes out with its length.
 */
const sendChunks = async (
  response: ServerResponse,
  chunks: Iterable<Uint8Array>,
  delivery: Delivery,
): Promise<void> => {
  const iterator = chunks[Symbol.iterator]()
  let current = iterator.next()
  let following = current.done === true ? current : iterator.next()
  if (following.done === true && !response.headersSent && !hasNoLength(response)) {
    response.setHeader('content-length', current.done === true ? 0 : current.value.length)
  }
  while (current.done !== true && following.done !== true && !response.destroyed) {
    await put(response, await putMost(response, current.value, delivery), delivery)
    current = following
    following = iterator.next()
  }
  const last = current.done === true ? undefined : await putMost(response, current.value, delivery)
  if (!response.destroyed) await end(response, last, delivery)
}

/** RFC 9110, 8.6: these say nothing of a length. */
const hasNoLength = ({ statusCode }: ServerResponse): boolean => statusCode === 204 || statusCode === 304

/**
 * A response that a stream goes to. What is ready in one turn of the loop goes out together; one chunk that is all by then goes out
 * whole, with its length.
 */
const responseSink = (response: ServerResponse, delivery: Delivery): Sink => {
  const isHeadOnly = response.req.method === 'HEAD' || hasNoLength(response)
  let first: Uint8Array | undefined
  let isOpen = false
  let corked: Socket | null = null

  const pieces = createPieces((piece) => {
    const isTaken = response.write(piece)
    if (!isTaken) response.once('drain', pieces.taken)
    return isTaken
  })
  const open = (): void => {
    if (isOpen || response.writableEnded || response.destroyed) return
    isOpen = true
    response.flushHeaders()
    if (first !== undefined) pieces.write(first)
    first = undefined
  }
  /** What the host put in the way of the head may throw, and nobody would catch it. */
  const tryOpen = (): void => {
    try {
      open()
    } catch {
      cut(response)
    }
  }
  // Not `response.cork()`: some versions of Node then forget to tell of the drain (nodejs/node#60432).
  const cork = (): void => {
    if (corked !== null) return
    corked = response.socket
    corked?.cork()
    setImmediate(() => {
      corked?.uncork()
      corked = null
    })
  }
  return {
    begin: () => setImmediate(tryOpen),
    isHeadOnly,
    write: (chunk) => {
      if (!isOpen && first === undefined) {
        first = chunk
        return true
      }
      cork()
      open()
      return pieces.write(chunk)
    },
    onDrain: pieces.onDrain,
    heartbeat: (beat) => {
      if (isOpen && !response.writableNeedDrain) response.write(beat)
    },
    end: (_error, farewell) => {
      if (isHeadOnly) return end(response, undefined, delivery)
      if (farewell !== undefined) open()
      // from here on there is nothing to open
      isOpen = true
      const rest = first === undefined ? pieces.rest() : [first]
      return sendChunks(response, farewell === undefined ? rest : [...rest, farewell], delivery)
    },
    cut: () => {
      cut(response)
    },
  }
}

const carryOut = (response: ServerResponse, answer: HttpAnswer, delivery: Delivery): Promise<void> => {
  response.statusCode = answer.status
  response.setHeader('cache-control', 'no-cache, private')
  setHeaders(response, answer.headers)
  if (answer._tag === 'Stream') return pump(answer, responseSink(response, delivery), delivery)
  if (answer._tag === 'Bytes') return sendChunks(response, answer.chunks, delivery)
  const body = Buffer.from(JSON.stringify(answer.value))
  response.setHeader('content-type', 'application/json')
  return sendChunks(response, [body], delivery)
}

/**
 * Carries an answer out; resolves when the client has it or is gone, and never rejects. Once headers are out, the only honest
 * failure is to destroy the socket.
 */
export const send = async (response: ServerResponse, answer: HttpAnswer, delivery: Delivery): Promise<void> => {
  if (response.destroyed) return
  try {
    await carryOut(response, answer, delivery)
  } catch {
    cut(response)
  }
}
