import { unexpected, type AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { MessageStream } from '../plugin.ts'

/** A plugin that always has more must leave turns to others. */
const messagesPerTurn = 64

/**
 * Takes messages as fast as they come, until they end, or the signal ends them. `take` says whether somebody lags behind: then the
 * next message comes a turn later, in which sockets empty themselves. Resolves with what broke them off, if anything did; never rejects.
 */
export const takeAll = <A>(
  open: () => MessageStream<A>,
  signal: AbortSignal,
  take: (message: A) => boolean,
): Promise<AggregatorError | undefined> =>
  new Promise((resolve) => {
    let iterator: AsyncIterator<E.Either<AggregatorError, A>> | undefined
    let isOver = false
    let sinceTurn = 0

    const end = (error?: AggregatorError): void => {
      if (isOver) return
      isOver = true
      signal.removeEventListener('abort', leave)
      resolve(error)
    }
    const leave = (): void => {
      isOver = true
      signal.removeEventListener('abort', leave)
      const left = async (): Promise<unknown> => iterator?.return?.()
      // it was left: whatever is wrong with it is nobody's business any more
      void left().then(
        () => resolve(undefined),
        () => resolve(undefined),
      )
    }
    const onStep = (step: IteratorResult<E.Either<AggregatorError, A>>): void => {
      if (isOver) return
      if (step.done === true) end()
      else if (E.isLeft(step.value)) end(step.value.left)
      else {
        const isAnyBehind = take(step.value.right)
        if (!isAnyBehind && ++sinceTurn < messagesPerTurn) pull()
        else {
          sinceTurn = 0
          setImmediate(pull)
        }
      }
    }
    const onThrown = (cause: unknown): void => {
      end(unexpected(cause))
    }
    const pull = (): void => {
      if (isOver) return
      try {
        iterator ??= open()[Symbol.asyncIterator]()
        void iterator.next().then(onStep, onThrown)
      } catch (cause) {
        onThrown(cause)
      }
    }

    if (signal.aborted) end()
    else {
      signal.addEventListener('abort', leave)
      pull()
    }
  })
