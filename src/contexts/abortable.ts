import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'

/** Waits for a promise that others wait for too: Cancelled as soon as this caller leaves. */
export const unlessAborted = async <A>(
  promise: Promise<E.Either<AggregatorError, A>>,
  signal: AbortSignal,
): Promise<E.Either<AggregatorError, A>> => {
  let onAbort = (): void => undefined
  const aborted = new Promise<E.Either<AggregatorError, A>>((resolve) => {
    onAbort = () => {
      resolve(E.left({ _tag: 'Cancelled' }))
    }
  })
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([aborted, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
