import type { IncomingMessage } from 'node:http'

import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { ByteStream } from '../http.ts'

type Step = IteratorResult<E.Either<AggregatorError, Uint8Array>, undefined>

const done = { done: true, value: undefined } as const

/** A body as it arrives: one piece at a time is taken off the wire, when somebody asks for it. */
export interface BodyStream {
  readonly chunks: ByteStream
  /** Nobody asks any more: whoever waits is told `Cancelled`, and the request is let go of. */
  readonly stop: () => void
}

/**
 * Reads a request piece by piece. The last item is a Left when there was more than the limit, or the client left. Leaving the loop
 * leaves the request as it is: the connection still carries the answer.
 */
export const bodyStream = (request: IncomingMessage, limitBytes: number, tooLarge: AggregatorError): BodyStream => {
  const arrived: Step[] = []
  let waiting: ((step: Step) => void) | undefined
  let size = 0
  let isBegun = false
  let isOver = false

  const give = (step: Step): void => {
    const resolve = waiting
    waiting = undefined
    if (resolve === undefined) arrived.push(step)
    else resolve(step)
  }
  const letGo = (last: Step): void => {
    if (isOver) return
    isOver = true
    request.off('data', take).off('end', end).off('close', leave).off('error', leave)
    give(last)
  }
  const take = (chunk: Buffer): void => {
    size += chunk.length
    if (size > limitBytes) letGo({ done: false, value: E.left(tooLarge) })
    else {
      request.pause()
      give({ done: false, value: E.right(chunk) })
    }
  }
  const end = (): void => {
    letGo(done)
  }
  const leave = (): void => {
    letGo({ done: false, value: E.left({ _tag: 'Cancelled' }) })
  }
  const begin = (): void => {
    isBegun = true
    if (request.destroyed) leave()
    else request.on('data', take).on('end', end).on('close', leave).on('error', leave)
  }
  const iterator: AsyncIterator<E.Either<AggregatorError, Uint8Array>, undefined> = {
    next: () => {
      if (!isBegun && !isOver) begin()
      const step = arrived.shift()
      if (step !== undefined) return Promise.resolve(step)
      if (isOver) return Promise.resolve(done)
      return new Promise((resolve) => {
        waiting = resolve
        request.resume()
      })
    },
    return: () => {
      letGo(done)
      arrived.length = 0
      return Promise.resolve(done)
    },
  }
  return { chunks: { [Symbol.asyncIterator]: () => iterator }, stop: leave }
}
