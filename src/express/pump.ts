import { isUint8Array } from 'node:util/types'

import { unexpected, type AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { StreamAnswer } from '../http.ts'

/** Where a stream goes to: a response, or a WebSocket. */
export interface Sink {
  /** The head is due: nothing may follow for long. */
  readonly begin: () => void
  /** Set when nothing follows the head (HEAD, 204, 304): the source is never begun. */
  readonly isHeadOnly?: boolean
  /** False: nothing more before `onDrain`. */
  readonly write: (chunk: Uint8Array) => boolean
  /** Calls `drained` when it has taken all, and `moved` when it has taken a part. */
  readonly onDrain: (drained: () => void, moved?: () => void) => void
  readonly heartbeat: (beat: Uint8Array) => void
  /** All is said; with what the failure reads like, if it failed. Resolves when the client has it, or is gone. */
  readonly end: (error: AggregatorError | undefined, farewell: Uint8Array | undefined) => Promise<void>
  /** What was said is worth nothing: no client may take it for the whole. */
  readonly cut: () => void
}

/** How an answer is to be sent. */
export interface Delivery {
  /** How long a client may take nothing before it is cut, ms. */
  readonly stallMs: number
  /** Resolves when the client is gone, or has all. */
  readonly over: Promise<unknown>
  /** Aborted when this server shuts down. */
  readonly shutdown: AbortSignal
  /** Told what kept a stream from being whole, before the client is. */
  readonly onFailure: (error: AggregatorError) => void
  /** How long nothing may be sent before there is a heartbeat, ms. Default 15000. */
  readonly heartbeatMs?: number
}

/** Below the 60 s after which proxies on the way give up. Source: the ping interval that the HTML standard recommends for event streams. */
const defaultHeartbeatMs = 15_000

/** A source that always has more must leave turns to others. */
const chunksPerTurn = 64

const closing: AggregatorError = {
  _tag: 'PluginUnavailable',
  message: 'the server is shutting down',
  retryAfterSeconds: 1,
}

type Step = IteratorResult<E.Either<AggregatorError, Uint8Array>>

const reasonOf = ({ reason }: AbortSignal): AggregatorError => {
  const given: unknown = reason
  return typeof given === 'object' && given !== null && '_tag' in given
    ? (given as AggregatorError)
    : { _tag: 'Cancelled' }
}

/**
 * Carries a stream to a sink: the next chunk is asked for when the sink has taken the last, so a slow client slows its source.
 * However it ends, the source is told, once. Resolves when the client has everything or is gone; never rejects.
 */
export const pump = (answer: StreamAnswer, sink: Sink, delivery: Delivery): Promise<void> =>
  new Promise((resolve) => {
    const { stallMs, over, shutdown, onFailure, heartbeatMs = defaultHeartbeatMs } = delivery
    const { heartbeat, until, farewell, isEndless = false } = answer
    let iterator: ReturnType<StreamAnswer['chunks'][typeof Symbol.asyncIterator]> | undefined
    let isOver = false
    let stall: NodeJS.Timeout | undefined
    let beat: NodeJS.Timeout | undefined
    let sinceTurn = 0

    const letGo = (): boolean => {
      if (isOver) return false
      isOver = true
      clearTimeout(stall)
      clearTimeout(beat)
      until?.removeEventListener('abort', onUntil)
      shutdown.removeEventListener('abort', onShutdown)
      void leave()
      return true
    }
    const leave = async (): Promise<void> => {
      try {
        await iterator?.return?.()
      } catch {
        // a source may fail to end: whatever is wrong with it is nobody's business any more
      }
    }
    const finish = async (error?: AggregatorError, last?: Uint8Array): Promise<void> => {
      try {
        await sink.end(error, last)
      } catch {
        sink.cut()
      }
      resolve()
    }
    const lastWords = (error: AggregatorError): Uint8Array | undefined => {
      try {
        return error._tag === 'Cancelled' ? undefined : farewell?.(error)
      } catch {
        return undefined
      }
    }
    const fail = (error: AggregatorError): void => {
      if (!letGo()) return
      onFailure(error)
      stop(error)
    }
    const stop = (error: AggregatorError): void => {
      const last = lastWords(error)
      if (last === undefined) {
        sink.cut()
        resolve()
      } else void finish(error, last)
    }
    const onUntil = (): void => {
      if (until !== undefined) fail(reasonOf(until))
    }
    /** No failure of the stream, and nobody's fault. */
    const onShutdown = (): void => {
      if (letGo()) stop(closing)
    }
    const waitForDrain = (): void => {
      stall = setTimeout(() => {
        fail({ _tag: 'Cancelled' })
      }, stallMs)
      sink.onDrain(
        () => {
          clearTimeout(stall)
          if (!isOver) pull()
        },
        () => {
          if (!isOver) stall?.refresh()
        },
      )
    }
    const take = (chunk: Uint8Array): void => {
      // a plugin of plain functions may give anything, and a socket throws at it when nobody catches it any more
      if (!isUint8Array(chunk)) throw new TypeError('expected a chunk of a stream to be bytes')
      beat?.refresh()
      if (!sink.write(chunk)) waitForDrain()
      else if (++sinceTurn < chunksPerTurn) pull()
      else {
        sinceTurn = 0
        setImmediate(() => {
          if (!isOver) pull()
        })
      }
    }
    /** What is thrown here is thrown by the source, or by the sink at what the source gave. */
    const attempt = (step: () => void): void => {
      try {
        step()
      } catch (cause) {
        onThrown(cause)
      }
    }
    const onThrown = (cause: unknown): void => {
      fail(unexpected(cause))
    }
    const onStep = (step: Step): void => {
      if (isOver) return
      attempt(() => {
        if (step.done === true) complete()
        else if (E.isLeft(step.value)) fail(step.value.left)
        else take(step.value.right)
      })
    }
    const pull = (): void => {
      attempt(() => {
        iterator ??= answer.chunks[Symbol.asyncIterator]()
        void iterator.next().then(onStep, onThrown)
      })
    }
    const complete = (): void => {
      letGo()
      void finish()
    }

    void over.then(() => {
      if (letGo()) resolve()
    })
    if (until?.aborted === true) onUntil()
    else if (isEndless && shutdown.aborted) onShutdown()
    else if (sink.isHeadOnly === true) complete()
    else {
      until?.addEventListener('abort', onUntil)
      if (isEndless) shutdown.addEventListener('abort', onShutdown)
      if (heartbeat !== undefined) {
        beat = setInterval(attempt, heartbeatMs, () => {
          sink.heartbeat(heartbeat)
        })
      }
      sink.begin()
      pull()
    }
  })
