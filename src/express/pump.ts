import { unexpected, type AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { StreamAnswer } from '../http.ts'

/** Where a stream goes to: a response, or a WebSocket. */
export interface Sink {
  /** The head is due: nothing may follow for long. */
  readonly begin: () => void
  /** False: nothing more before `onDrain`. */
  readonly write: (chunk: Uint8Array) => boolean
  readonly onDrain: (drained: () => void) => void
  readonly heartbeat: (beat: Uint8Array) => void
  /** All is said; with what the failure reads like, if it failed. Resolves when the client has it, or is gone. */
  readonly end: (error: AggregatorError | undefined, farewell: Uint8Array | undefined) => Promise<void>
  /** What was said is worth nothing: no client may take it for the whole. */
  readonly cut: () => void
}

export interface PumpOptions {
  /** How long a client may take nothing before it is cut, ms. */
  readonly stallMs: number
  /** Resolves when the client is gone, or has all. */
  readonly over: Promise<unknown>
  /** Aborted when this server shuts down. */
  readonly shutdown: AbortSignal
  /** Told what kept the stream from being whole, before the client is. */
  readonly onFailure: (error: AggregatorError) => void
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
export const pump = (answer: StreamAnswer, sink: Sink, options: PumpOptions): Promise<void> =>
  new Promise((resolve) => {
    const { stallMs, over, shutdown, onFailure, heartbeatMs = defaultHeartbeatMs } = options
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
      // a source may fail to end: whatever is wrong with it is nobody's business any more
      void Promise.resolve(iterator?.return?.()).catch(() => undefined)
      return true
    }
    const fail = (error: AggregatorError): void => {
      if (!letGo()) return
      onFailure(error)
      if (farewell === undefined || error._tag === 'Cancelled') {
        sink.cut()
        resolve()
      } else void sink.end(error, farewell(error)).then(resolve)
    }
    const onUntil = (): void => {
      if (until !== undefined) fail(reasonOf(until))
    }
    const onShutdown = (): void => {
      fail(closing)
    }
    const waitForDrain = (): void => {
      stall = setTimeout(() => {
        fail({ _tag: 'Cancelled' })
      }, stallMs)
      sink.onDrain(() => {
        clearTimeout(stall)
        if (!isOver) pull()
      })
    }
    const onStep = (step: IteratorResult<E.Either<AggregatorError, Uint8Array>>): void => {
      if (isOver) return
      if (step.done === true) {
        letGo()
        void sink.end(undefined, undefined).then(resolve)
        return
      }
      if (E.isLeft(step.value)) {
        fail(step.value.left)
        return
      }
      beat?.refresh()
      if (!sink.write(step.value.right)) waitForDrain()
      else if (++sinceTurn < chunksPerTurn) pull()
      else {
        sinceTurn = 0
        setImmediate(() => {
          if (!isOver) pull()
        })
      }
    }
    const onThrown = (cause: unknown): void => {
      fail(unexpected(cause))
    }
    const pull = (): void => {
      try {
        iterator ??= answer.chunks[Symbol.asyncIterator]()
        void iterator.next().then(onStep, onThrown)
      } catch (cause) {
        onThrown(cause)
      }
    }

    void over.then(() => {
      if (letGo()) resolve()
    })
    if (until?.aborted === true) onUntil()
    else if (isEndless && shutdown.aborted) onShutdown()
    else {
      until?.addEventListener('abort', onUntil)
      if (isEndless) shutdown.addEventListener('abort', onShutdown)
      if (heartbeat !== undefined) beat = setInterval(() => sink.heartbeat(heartbeat), heartbeatMs)
      sink.begin()
      pull()
    }
  })
