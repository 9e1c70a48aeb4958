import type { IncomingMessage } from 'node:http'

import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { ByteStream } from '../http.ts'
import { badGateway } from './failure.ts'

type Step = IteratorResult<E.Either<AggregatorError, Uint8Array>, undefined>

const done = { done: true, value: undefined } as const
const brokenOff = badGateway('broke off its answer')

/** What may lie here, taken off the wire and asked for by nobody. One read of a socket brings as much. */
const heldBytes = 64 * 1024

export interface AnswerBody {
  readonly chunks: ByteStream
  /** Nothing more comes: what has arrived is given out, then the error. */
  readonly fail: (error: AggregatorError) => void
}

/**
 * The body of an answer as it is asked for: when nobody does, the connection is not read. `onOver` is told, once, when it is whole,
 * broken off, or not wanted any more; not after `fail`. Like a generator it is its own iterator.
 */
export const answerBody = (answer: IncomingMessage, onOver: () => void): AnswerBody => {
  const arrived: Buffer[] = []
  let size = 0
  let waiting: ((step: Step) => void) | undefined
  let isBegun = false
  /** What is said once when all that arrived is taken. */
  let last: Step | undefined

  const end = (step: Step): boolean => {
    if (last !== undefined) return false
    last = step
    if (waiting !== undefined) {
      last = done
      waiting(step)
      waiting = undefined
    }
    return true
  }
  const endAndTell = (step: Step): void => {
    if (end(step)) onOver()
  }
  const take = (chunk: Buffer): void => {
    if (waiting !== undefined) {
      const resolve = waiting
      waiting = undefined
      resolve({ done: false, value: E.right(chunk) })
      return
    }
    arrived.push(chunk)
    size += chunk.length
    if (size >= heldBytes) answer.pause()
  }
  const onEnd = (): void => {
    endAndTell(done)
  }
  const onClose = (): void => {
    endAndTell({ done: false, value: E.left(brokenOff) })
  }
  // that it broke off, 'close' says as well
  answer
    .on('error', () => undefined)
    .on('end', onEnd)
    .on('close', onClose)

  const iterator: AsyncIterator<E.Either<AggregatorError, Uint8Array>, undefined> = {
    next: () => {
      const chunk = arrived.shift()
      if (chunk !== undefined) {
        size -= chunk.length
        return Promise.resolve({ done: false, value: E.right(chunk) })
      }
      if (last !== undefined) {
        const step = last
        last = done
        return Promise.resolve(step)
      }
      if (!isBegun) answer.on('data', take)
      else if (answer.isPaused()) answer.resume()
      isBegun = true
      return new Promise((resolve) => {
        waiting = resolve
      })
    },
    return: () => {
      arrived.length = 0
      endAndTell(done)
      last = done
      return Promise.resolve(done)
    },
  }
  return {
    chunks: { [Symbol.asyncIterator]: () => iterator },
    fail: (error) => {
      end({ done: false, value: E.left(error) })
    },
  }
}
