import type { Clock } from '../clock.ts'
import { badRequest, type AggregatorError, type Result } from '../errors.ts'
import { E, TE } from '../fp.ts'
import type { ObjectStore } from '../object-store.ts'

/**
 * A resourceVersion that a client gives; `undefined`: none. One that no number holds exactly is beyond all that there are. Fails with
 * BadRequest.
 */
export const parseRevision = (text: string): E.Either<AggregatorError, number | undefined> => {
  if (text === '') return E.right(undefined)
  const isInteger = /^\d{1,20}$/.test(text) && BigInt(text) < 2n ** 64n
  return isInteger
    ? E.right(Number(text))
    : E.left(badRequest(`invalid resource version: expected a decimal integer, got ${JSON.stringify(text)}`))
}

/** Source: how long the watch cache of the Kubernetes apiserver waits for a fresh enough state. */
export const patienceMs = 3000

/** Waits for a revision, for a while. Fails with NotYet, Cancelled. */
export const awaitRevision =
  (objects: ObjectStore, revision: number, clock: Clock, signal: AbortSignal): Result<void> =>
  () =>
    new Promise((resolve) => {
      if (objects.revision() >= revision) {
        resolve(E.right(undefined))
        return
      }
      const end = (outcome: E.Either<AggregatorError, void>): void => {
        unsubscribe()
        cancel()
        signal.removeEventListener('abort', leave)
        resolve(outcome)
      }
      const leave = (): void => {
        end(E.left({ _tag: 'Cancelled' }))
      }
      const unsubscribe = objects.subscribe(() => {
        if (objects.revision() >= revision) end(E.right(undefined))
      })
      const cancel = clock.setTimeout(() => {
        const message = `Too large resource version: ${String(revision)}, current: ${String(objects.revision())}`
        end(E.left({ _tag: 'NotYet', message, retryAfterSeconds: 1 }))
      }, patienceMs)
      signal.addEventListener('abort', leave)
    })

/** Until then the objects look as though there were none. Never fails. */
export const awaitReady = (objects: ObjectStore): Result<void> => TE.fromTask(() => objects.ready)
