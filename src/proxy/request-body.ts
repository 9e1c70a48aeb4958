import type { ClientRequest } from 'node:http'

import { badRequest, unexpected, type AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { ByteStream } from '../http.ts'

type Step = IteratorResult<E.Either<AggregatorError, Uint8Array>, unknown>

/** One more byte, or one less, and the other side takes a part of the body for the next request on this connection. */
const wrongLength = badRequest('the body is not as long as its content-length says')

/**
 * Sends a body as the other side takes it: the next piece is asked for when the last one is on its way. `onFailure` is told, once,
 * that it will not be whole; the request is then to be destroyed. Gives back what lets go of the body.
 */
export const sendBody = (
  body: ByteStream,
  lengthBytes: number | undefined,
  out: ClientRequest,
  onFailure: (error: AggregatorError) => void,
): (() => void) => {
  const iterator = body[Symbol.asyncIterator]()
  let sent = 0
  let isOver = false

  const stop = (): void => {
    if (isOver) return
    isOver = true
    out.off('drain', pull)
    // whatever is wrong with it is nobody's business any more
    void Promise.resolve(iterator.return?.()).catch(() => undefined)
  }
  const fail = (error: AggregatorError): void => {
    if (isOver) return
    stop()
    onFailure(error)
  }
  const onStep = (step: Step): void => {
    if (isOver) return
    if (step.done === true) {
      if (lengthBytes !== undefined && sent !== lengthBytes) fail(wrongLength)
      else {
        isOver = true
        out.end()
      }
      return
    }
    if (E.isLeft(step.value)) {
      fail(step.value.left)
      return
    }
    const chunk = step.value.right
    sent += chunk.length
    if (lengthBytes !== undefined && sent > lengthBytes) fail(wrongLength)
    else if (out.write(chunk)) pull()
    else out.once('drain', pull)
  }
  const onThrown = (cause: unknown): void => {
    fail(unexpected(cause))
  }
  const pull = (): void => {
    try {
      void iterator.next().then(onStep, onThrown)
    } catch (cause) {
      onThrown(cause)
    }
  }
  // a server may answer from the head alone
  out.flushHeaders()
  pull()
  return stop
}
