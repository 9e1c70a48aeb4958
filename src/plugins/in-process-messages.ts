import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'

export type Failure = E.Either<AggregatorError, never>

/** One call under way. */
export interface Life {
  /** Aborted when the call is over before its function is. */
  readonly signal: AbortSignal
  end(error: AggregatorError): void
  /** Nothing ends it any more. */
  finish(): void
}

/** What a stream of messages is made of. */
export interface MessagesOptions<Call, A, Response> {
  readonly callable: () => E.Either<AggregatorError, Call>
  /** `onEnd` hears when deadline, cancellation, or the close of the host ends the call. */
  readonly begin: (onEnd: (failure: Failure) => void) => Life
  readonly open: (call: Call, signal: AbortSignal) => Promise<Iterator<A> | AsyncIterator<A>>
  readonly complete: (message: A) => Response
  readonly failure: (cause: unknown) => Failure
}

type Message<Response> = E.Either<AggregatorError, Response>

/** Messages as they are asked for; the first `next` begins the call, `return` ends it at once, whoever waits for a message. */
export const createMessages = <Call, A, Response>(
  options: MessagesOptions<Call, A, Response>,
): AsyncIterableIterator<Message<Response>> => {
  const done: IteratorReturnResult<undefined> = { done: true, value: undefined }
  let life: Life | undefined
  let source: Promise<Iterator<A> | AsyncIterator<A>> | undefined
  let failure: Failure | undefined
  let isOver = false
  // not a race with a promise that outlives it: each message would stay in memory for as long as the stream
  let settle = (_message: Message<Response> | undefined): void => undefined

  const release = (): void => {
    source?.then((iterator) => iterator.return?.()).catch(() => undefined)
  }
  const onEnd = (ending: Failure): void => {
    failure = ending
    settle(ending)
    release()
  }
  const start = (call: Call): Life => {
    const begun = options.begin(onEnd)
    source = options.open(call, begun.signal)
    // it may have ended before there was anything to release
    if (failure !== undefined) release()
    return begun
  }
  const pull = async ({ signal }: Life): Promise<Message<Response> | undefined> => {
    try {
      const iterator = await source
      if (iterator === undefined || signal.aborted) return failure
      const next = await iterator.next()
      return next.done === true ? undefined : E.right(options.complete(next.value))
    } catch (cause) {
      return options.failure(cause)
    }
  }
  const step = async (): Promise<IteratorResult<Message<Response>, undefined>> => {
    if (isOver) return done
    if (life === undefined) {
      const call = options.callable()
      isOver = E.isLeft(call)
      if (E.isLeft(call)) return { done: false, value: call }
      life = start(call.right)
    }
    const current = life
    const message =
      failure ??
      (await new Promise<Message<Response> | undefined>((resolve) => {
        settle = resolve
        void pull(current).then(resolve)
      }))
    if (isOver) return done
    isOver = message === undefined || E.isLeft(message)
    if (message === undefined) life.finish()
    else if (E.isLeft(message)) life.end({ _tag: 'Cancelled' })
    return message === undefined ? done : { done: false, value: message }
  }

  let last: Promise<unknown> = Promise.resolve()
  const messages: AsyncIterableIterator<Message<Response>> = {
    next: () => {
      const result = last.then(step)
      last = result
      return result
    },
    return: () => {
      if (!isOver) life?.end({ _tag: 'Cancelled' })
      isOver = true
      return Promise.resolve(done)
    },
    [Symbol.asyncIterator]: () => messages,
  }
  return messages
}
