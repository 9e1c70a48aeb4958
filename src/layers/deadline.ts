import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { HttpAnswer } from '../http.ts'
import type { Layer } from '../service.ts'

const tooLate = (timeoutMs: number): AggregatorError => ({
  _tag: 'PluginTimeout',
  message: `the request took longer than ${String(timeoutMs)} ms (option limits.requestTimeoutMs)`,
})

/**
 * Ends a request when its time is over or its client leaves, whatever it waits for: the one signal that goes down to the call is
 * aborted, and the answer does not depend on whether anybody listens to it.
 */
export const deadline =
  (timeoutMs: number): Layer =>
  (next) =>
  (request, env) =>
  () =>
    new Promise<E.Either<AggregatorError, HttpAnswer>>((resolve, reject) => {
      const call = new AbortController()
      const end = (error: AggregatorError): void => {
        resolve(E.left(error))
        call.abort()
      }
      const timer = setTimeout(end, timeoutMs, tooLate(timeoutMs))
      const leave = (): void => {
        end({ _tag: 'Cancelled' })
      }
      env.signal.addEventListener('abort', leave, { once: true })
      if (env.signal.aborted) leave()
      next(request, { ...env, signal: call.signal, timeoutMs })()
        .then(resolve, reject)
        .finally(() => {
          clearTimeout(timer)
          env.signal.removeEventListener('abort', leave)
        })
    })
