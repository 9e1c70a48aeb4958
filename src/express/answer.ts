import type { ServerResponse } from 'node:http'

import type { HeaderMap, HttpAnswer } from '../http.ts'

const setHeaders = (response: ServerResponse, headers: HeaderMap): void => {
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) response.setHeader(name, typeof value === 'string' ? value : [...value])
  }
}

const end = (response: ServerResponse, body: Uint8Array): void => {
  response.setHeader('content-length', body.length)
  response.end(body)
}

/** The socket takes more, or is gone. */
const drained = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

/**
 * Sends chunks as they are made: the next one is made when the socket has taken the last, and other requests have had a turn in
 * between. A single chunk goes out whole, with its length.
 */
const sendChunks = async (response: ServerResponse, chunks: Iterable<Uint8Array>): Promise<void> => {
  const iterator = chunks[Symbol.iterator]()
  let current = iterator.next()
  let following = current.done === true ? current : iterator.next()
  if (following.done === true) {
    end(response, current.done === true ? new Uint8Array() : current.value)
    return
  }
  while (current.done !== true && !response.destroyed) {
    if (!response.write(current.value)) await drained(response)
    else await nextTurn()
    current = following
    following = current.done === true ? current : iterator.next()
  }
  response.end()
}

const carryOut = async (response: ServerResponse, answer: HttpAnswer): Promise<void> => {
  response.statusCode = answer.status
  response.setHeader('cache-control', 'no-cache, private')
  setHeaders(response, answer.headers)
  if (answer._tag === 'Bytes') {
    await sendChunks(response, answer.chunks)
    return
  }
  response.setHeader('content-type', 'application/json')
  end(response, Buffer.from(JSON.stringify(answer.value)))
}

/** Carries an answer out; never rejects. Once headers are out, the only honest failure is to destroy the socket. */
export const send = async (response: ServerResponse, answer: HttpAnswer): Promise<void> => {
  if (response.destroyed) return
  try {
    await carryOut(response, answer)
  } catch {
    response.destroy()
  }
}
