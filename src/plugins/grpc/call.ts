import { status, type ChannelInterface, type StatusObject } from '@grpc/grpc-js'

import type { CallOptions } from '../../plugin.ts'
import { toMetadata } from './trace.ts'

/** Why a call has no answer, or not all of it. */
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

export interface RawCallOptions extends Pick<CallOptions, 'timeoutMs' | 'trace'> {
  readonly signal?: AbortSignal | undefined
}

export interface CallHandler {
  /** One message for each `read`, in order. Must not throw. */
  readonly onMessage: (message: Buffer) => void
  /** Once, and nothing comes after it. `undefined`: the plugin ended the call well. Must not throw. */
  readonly onEnd: (failure: CallFailure | undefined) => void
}

export interface RunningCall {
  /** Asks for the next message; until then it waits at the plugin, and only its window's worth of bytes on this side. */
  read(): void
  /** Ends the call without telling its handler. */
  cancel(): void
}

/** The longest delay that a timer takes; a call with more time than that has no deadline, and no timer that keeps Node alive. */
const maxTimeoutMs = 2 ** 31 - 1

type Call = ReturnType<ChannelInterface['createCall']>

const ended: RunningCall = { read: () => undefined, cancel: () => undefined }

const refused = (handler: CallHandler, failure: CallFailure): RunningCall => {
  handler.onEnd(failure)
  return ended
}

/**
 * Makes one call, unary or streamed, with messages as bytes: it ends at its deadline, and at once when the signal is
 * aborted or the call is ended through `openCalls`. It uses the channel itself: a `Client` would take 16 messages of a stream
 * ahead, wait for the deadline when a unary answer comes twice, and make a stack trace for each call.
 */
export const startCall = (
  channel: ChannelInterface,
  path: string,
  request: Buffer,
  { signal, timeoutMs, trace }: RawCallOptions,
  openCalls: OpenCalls,
  handler: CallHandler,
): RunningCall => {
  const startedAtMs = performance.now()
  const failure = (code: number, details: string, statusDetails?: string | Buffer): CallFailure => ({
    code,
    details,
    statusDetails: Buffer.isBuffer(statusDetails) ? statusDetails : undefined,
    requestBytes: request.length,
    // timers fire up to a millisecond early by the monotonic clock
    isLate: performance.now() - startedAtMs >= timeoutMs - 1,
    isAborted: signal?.aborted ?? false,
  })
  if (signal?.aborted) return refused(handler, failure(status.CANCELLED, 'aborted before the call'))
  if (!(timeoutMs > 0)) return refused(handler, failure(status.DEADLINE_EXCEEDED, 'no time left for the call'))

  let isOver = false
  const leave = (): boolean => {
    if (isOver) return false
    isOver = true
    signal?.removeEventListener('abort', abort)
    openCalls.delete(lose)
    return true
  }
  const end = (reason: CallFailure | undefined): void => {
    if (leave()) handler.onEnd(reason)
  }
  const reset = (): void => {
    call?.cancelWithStatus(status.CANCELLED, 'not needed any more')
  }
  const drop = (): void => {
    reset()
    // a call that is cancelled in the turn it was started in goes out all the same
    setImmediate(reset)
  }
  const abort = (): void => {
    end(failure(status.CANCELLED, 'aborted'))
    drop()
  }
  const lose = (): void => {
    end(failure(status.UNAVAILABLE, 'the process is gone'))
    drop()
  }

  signal?.addEventListener('abort', abort)
  openCalls.add(lose)
  let call: Call | undefined
  try {
    const deadline = timeoutMs > maxTimeoutMs ? Infinity : Date.now() + timeoutMs
    call = channel.createCall(path, deadline, null, null, null)
    call.start(toMetadata(trace), {
      onReceiveMetadata: () => undefined,
      onReceiveMessage: (message: Buffer) => {
        if (!isOver) handler.onMessage(message)
      },
      onReceiveStatus: ({ code, details, metadata }: Partial<StatusObject>) => {
        if (code === status.OK) end(undefined)
        // without a code, and without a word, when a message was compressed in a way that nobody knows
        else end(failure(code ?? status.INTERNAL, details ?? '', metadata?.get('grpc-status-details-bin')[0]))
      },
    })
    call.sendMessageWithContext({}, request)
    call.halfClose()
  } catch (error) {
    // the channel is closed already
    end(failure(status.UNAVAILABLE, String(error)))
  }
  return {
    read: () => {
      if (!isOver) call?.startRead()
    },
    cancel: () => {
      if (leave()) drop()
    },
  }
}
