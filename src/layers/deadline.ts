import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { HttpAnswer } from '../http.ts'
import type { Layer } from '../service.ts'
import { total } from './total.ts'

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
  (next) => {
    const handle = total(next)
    return (request, env) => () =>
      new Promise<E.Either<AggregatorError, HttpAnswer>>((resolve) => {
        if (env.signal.aborted) {
          resolve(E.left({ _tag: 'Cancelled' }))
          return
        }
        const call = new AbortController()
        const settle = (result: E.Either<AggregatorError, HttpAnswer>): void => {
          clearTimeout(timer)
          env.signal.removeEventListener('abort', leave)
          resolve(result)
        }
        const end = (error: AggregatorError): void => {
          settle(E.left(error))
          call.abort()
        }
        const leave = (): void => {
          end({ _tag: 'Cancelled' })
        }
        const timer = setTimeout(end, timeoutMs, tooLate(timeoutMs))
        env.signal.addEventListener('abort', leave)
        void handle(request, { ...env, signal: call.signal, timeoutMs })().then(settle)
      })
  }
