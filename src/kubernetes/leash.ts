import { E } from '../fp.ts'
import type { KubernetesFailure } from '../kubernetes.ts'

/** What ends one piece of work from outside: whoever asked leaves, time is over, the connection is closed. The first reason counts. */
export interface Leash {
  readonly why: () => KubernetesFailure | undefined
  readonly pull: (why: KubernetesFailure) => void
  /** Calls back once when pulled, at once if it was; gives back what forgets the callback. */
  readonly onPull: (callback: (why: KubernetesFailure) => void) => () => void
  /** What comes first. The work goes on, unheard: it must not reject. */
  readonly race: <F, A>(work: Promise<E.Either<F, A>>) => Promise<E.Either<F | KubernetesFailure, A>>
}

export const createLeash = (): Leash => {
  const callbacks = new Set<(why: KubernetesFailure) => void>()
  let reason: KubernetesFailure | undefined

  const onPull: Leash['onPull'] = (callback) => {
    if (reason === undefined) callbacks.add(callback)
    else callback(reason)
    return () => {
      callbacks.delete(callback)
    }
  }
  return {
    why: () => reason,
    pull: (why) => {
      if (reason !== undefined) return
      reason = why
      for (const callback of [...callbacks]) callback(why)
      callbacks.clear()
    },
    onPull,
    race: async (work) => {
      let forget = (): void => undefined
      const pulled = new Promise<E.Either<KubernetesFailure, never>>((resolve) => {
        forget = onPull((why) => {
          resolve(E.left(why))
        })
      })
      try {
        return await Promise.race([pulled, work])
      } finally {
        forget()
      }
    },
  }
}

/** Pulls when the signal aborts; gives back what lets go of the signal. */
export const leashTo = (leash: Leash, signal: AbortSignal, why: KubernetesFailure): (() => void) => {
  const onAbort = (): void => {
    leash.pull(why)
  }
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort)
  return () => {
    signal.removeEventListener('abort', onAbort)
  }
}
