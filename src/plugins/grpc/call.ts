import { Metadata, status, type Client, type ServiceError } from '@grpc/grpc-js'

import { E } from '../../fp.ts'
import type { CallOptions } from '../../plugin.ts'
import type { Method } from './proto.ts'

/** Why a call has no answer. */
export interface CallFailure {
  readonly code: number
  /** Text of the plugin, or of grpc-js; may hold a path of the host when `code` is UNAVAILABLE. */
  readonly details: string
  /** `grpc-status-details-bin`, where the plugin sent one. */
  readonly statusDetails: Buffer | undefined
  /** What was sent, to tell a refused request from a refused answer. */
  readonly requestBytes: number
  /** By our clock: when our deadline passes, the plugin's own reset may arrive first, as CANCELLED. */
  readonly isLate: boolean
  readonly isAborted: boolean
}

/** Ends calls on a channel that will not answer any more: closing a channel leaves its calls hanging. */
export type OpenCalls = Set<() => void>

const identity = (bytes: Buffer): Buffer => bytes

// the longest delay that a timer takes
const maxTimeoutMs = 2 ** 31 - 1

/**
 * One unary call: it always has a deadline, always settles, and ends at once when the signal is aborted or the call is ended
 * through `openCalls`. Throws only for a request that is no such message.
 */
export const callUnary = <Request, Response>(
  client: Client,
  method: Method<Request, Response>,
  request: Request,
  { signal, timeoutMs }: CallOptions,
  openCalls: OpenCalls,
): Promise<E.Either<CallFailure, Response>> => {
  const startedAtMs = performance.now()
  const bytes = method.serialize(request)
  const failure = (code: number, details: string, metadata?: Metadata): E.Either<CallFailure, never> => {
    const statusDetails = metadata?.get('grpc-status-details-bin')[0]
    return E.left({
      code,
      details,
      statusDetails: Buffer.isBuffer(statusDetails) ? statusDetails : undefined,
      requestBytes: bytes.length,
      // timers fire up to a millisecond early by the monotonic clock
      isLate: performance.now() - startedAtMs >= timeoutMs - 1,
      isAborted: signal.aborted,
    })
  }
  if (signal.aborted) return Promise.resolve(failure(status.CANCELLED, 'aborted before the call'))
  if (timeoutMs <= 0) return Promise.resolve(failure(status.DEADLINE_EXCEEDED, 'no time left for the call'))
  return new Promise((resolve) => {
    const end = (result: E.Either<CallFailure, Response>): void => {
      signal.removeEventListener('abort', abort)
      openCalls.delete(lose)
      resolve(result)
    }
    const receive = (error: ServiceError | null, response?: Response): void => {
      if (error !== null) end(failure(error.code, error.details, error.metadata))
      else if (response === undefined) end(failure(status.INTERNAL, 'no message in the answer'))
      else end(E.right(response))
    }
    const deadline = Date.now() + Math.min(timeoutMs, maxTimeoutMs)
    const start = () =>
      client.makeUnaryRequest(method.path, identity, method.deserialize, bytes, new Metadata(), { deadline }, receive)
    let call: ReturnType<typeof start> | undefined
    const abort = (): void => {
      end(failure(status.CANCELLED, 'aborted'))
      call?.cancel()
    }
    const lose = (): void => {
      end(failure(status.UNAVAILABLE, 'the process is gone'))
      call?.cancel()
    }
    try {
      call = start()
      signal.addEventListener('abort', abort)
      openCalls.add(lose)
    } catch (error) {
      // grpc-js throws when the channel is closed already
      resolve(failure(status.UNAVAILABLE, String(error)))
    }
  })
}
