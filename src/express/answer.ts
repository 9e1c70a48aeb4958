import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

import type { HeaderMap, HttpAnswer } from '../http.ts'
import { pump, type Delivery, type Sink } from './pump.ts'

export type { Delivery }

/** JSON values above this go out piece by piece, so that a slow reader can be told from one that stands still. */
const pieceBytes = 128 * 1024

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
      response.destroy()
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

/**
 * Sends chunks as they are made: the next one is made when the socket has taken the last, and other requests have had a turn in
 * between. A single chunk goes out whole, with its length.
 */
const sendChunks = async (
  response: ServerResponse,
  chunks: Iterable<Uint8Array>,
  delivery: Delivery,
): Promise<void> => {
  const iterator = chunks[Symbol.iterator]()
  let current = iterator.next()
  let following = current.done === true ? current : iterator.next()
  if (following.done === true && !hasNoLength(response)) {
    response.setHeader('content-length', current.done === true ? 0 : current.value.length)
  }
  while (current.done !== true && following.done !== true && !response.destroyed) {
    if (response.write(current.value)) await nextTurn()
    else await taken(response, 'drain', delivery)
    current = following
    following = iterator.next()
  }
  if (!response.destroyed) await end(response, current.done === true ? undefined : current.value, delivery)
}

const pieces = function* (body: Buffer): Generator<Uint8Array> {
  for (let start = 0; start < body.length; start += pieceBytes) yield body.subarray(start, start + pieceBytes)
}

/** RFC 9110, 8.6: these say nothing of a length. */
const hasNoLength = ({ statusCode }: ServerResponse): boolean => statusCode === 204 || statusCode === 304

/**
 * A response that a stream goes to. What is ready in one turn of the loop goes out together; one chunk that is all by then goes out
 * whole, with its length.
 */
const responseSink = (response: ServerResponse, delivery: Delivery): Sink => {
  const isHeadOnly = response.req.method === 'HEAD' || hasNoLength(response)
  let held: Uint8Array | undefined
  let isOpen = false
  let corked: Socket | null = null

  const open = (): void => {
    if (isOpen || response.writableEnded || response.destroyed) return
    isOpen = true
    response.flushHeaders()
    if (held !== undefined) response.write(held)
    held = undefined
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
    begin: () => setImmediate(open),
    isHeadOnly,
    write: (chunk) => {
      if (!isOpen && held === undefined) {
        held = chunk
        return true
      }
      cork()
      open()
      return response.write(chunk)
    },
    onDrain: (drained) => response.once('drain', drained),
    heartbeat: (beat) => {
      if (isOpen && !response.writableNeedDrain) response.write(beat)
    },
    end: (_error, farewell) => {
      if (isOpen || farewell !== undefined) {
        open()
        return end(response, farewell, delivery)
      }
      if (!isHeadOnly) response.setHeader('content-length', held?.length ?? 0)
      return end(response, held, delivery)
    },
    cut: () => response.destroy(),
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
  response.setHeader('content-length', body.length)
  return sendChunks(response, pieces(body), delivery)
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
    response.destroy()
  }
}
