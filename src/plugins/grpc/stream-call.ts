import type { AggregatorError } from '../../errors.ts'
import { E } from '../../fp.ts'
import type { MessageStream } from '../../plugin.ts'
import type { RunningCall } from './call.ts'

export interface StreamHandler {
  readonly onMessage: (message: Buffer) => void
  readonly onEnd: (error: AggregatorError | undefined) => void
}

/** What a stream of messages is made of. None of it may throw. */
export interface StreamParts<A> {
  readonly begin: (handler: StreamHandler) => E.Either<AggregatorError, RunningCall>
  readonly decode: (message: Buffer) => E.Either<AggregatorError, A>
  /** Counts a message until `over` resolves; Left when there is no room for it. */
  readonly hold: (bytes: number, over: Promise<unknown>) => E.Either<AggregatorError, void>
  /** What it means when this is the only message of a stream; `undefined`: nothing but itself. */
  readonly refusal: (message: A) => AggregatorError | undefined
  /** Resolves when no message is needed any more. */
  readonly over: Promise<unknown> | undefined
}

/** A message may be of five bytes, and tens of thousands of them be there at once: their reader would have the loop to itself. */
const messagesPerTurn = 64

type Item<A> = E.Either<AggregatorError, A>
type Step<A> = IteratorResult<Item<A>, undefined>

interface Arrived<A> {
  readonly item: Item<A>
  /** Counts its bytes no more. */
  readonly release: () => void
}

const nothing = (): void => undefined
const done = { done: true, value: undefined } as const

/**
 * The messages of one call as they are asked for: each `next` lets one come, whose bytes count until the next `next`. Like a generator
 * it is its own iterator, so that a second loop goes on where the first one was, and makes no second call. A call that
 * fails while nobody asks is over all the same; why is told to whoever asks next.
 */
export const createMessageStream = <A>(parts: StreamParts<A>): MessageStream<A> => {
  const waiting: Array<(step: Step<A>) => void> = []
  const arrived: Array<Arrived<A>> = []
  let call: RunningCall | undefined
  let isBegun = false
  let isEnded = false
  let isReading = false
  let readCount = 0
  let isNeeded = true
  /** Held back until it is known whether it was the only one. */
  let suspect: { readonly message: A; readonly means: AggregatorError } | undefined
  let isFirst = true
  let release = nothing

  const give = (next: Arrived<A>): void => {
    const resolve = waiting.shift()
    if (resolve === undefined) {
      arrived.push(next)
      return
    }
    // whoever waits for this one has asked for more than the one before
    release()
    release = next.release
    resolve({ done: false, value: next.item })
  }
  const end = (error: AggregatorError | undefined): void => {
    if (isEnded) return
    isEnded = true
    if (error !== undefined) {
      // whoever abandoned the loop will not come for the rest
      releaseAll()
      give({ item: E.left(error), release: nothing })
    }
    for (const resolve of waiting.splice(0)) resolve(done)
  }
  const releaseAll = (): void => {
    release()
    for (const next of arrived) next.release()
  }
  const abandon = (): void => {
    isNeeded = false
    releaseAll()
  }
  const read = (): void => {
    if (isReading || isEnded || waiting.length === 0) return
    isReading = true
    readCount += 1
    if (readCount % messagesPerTurn === 0) setImmediate(() => call?.read())
    else call?.read()
  }
  const fail = (error: AggregatorError): void => {
    call?.cancel()
    end(error)
  }

  const onMessage = (bytes: Buffer): void => {
    isReading = false
    let release = nothing
    const over = new Promise<void>((resolve) => (release = resolve))
    const held = parts.hold(bytes.length, over)
    if (E.isLeft(held)) {
      fail(held.left)
      return
    }
    // who needs no message may never come for the next one
    if (!isNeeded) release()
    const item = parts.decode(bytes)
    if (E.isLeft(item)) {
      release()
      fail(item.left)
      return
    }
    const means = isFirst ? parts.refusal(item.right) : undefined
    isFirst = false
    if (means !== undefined) {
      release()
      suspect = { message: item.right, means }
    } else {
      if (suspect !== undefined) give({ item: E.right(suspect.message), release: nothing })
      suspect = undefined
      give({ item, release })
    }
    read()
  }

  const begin = (): void => {
    isBegun = true
    void parts.over?.then(abandon, abandon)
    const begun = parts.begin({
      onMessage,
      onEnd: (error) => {
        end(error ?? suspect?.means)
      },
    })
    if (E.isLeft(begun)) end(begun.left)
    else call = begun.right
  }

  const iterator: AsyncIterableIterator<Item<A>, undefined> = {
    [Symbol.asyncIterator]: () => iterator,
    next: () => {
      release()
      const ready = arrived.shift()
      if (ready !== undefined) {
        release = ready.release
        return Promise.resolve({ done: false, value: ready.item })
      }
      if (isEnded) return Promise.resolve(done)
      return new Promise((resolve) => {
        waiting.push(resolve)
        if (!isBegun) begin()
        read()
      })
    },
    return: () => {
      call?.cancel()
      end(undefined)
      releaseAll()
      arrived.length = 0
      return Promise.resolve(done)
    },
  }
  return iterator
}
