import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { CallEnv, Layer } from '../service.ts'
import { total } from './total.ts'

const tooLate = (timeoutMs: number): AggregatorError => ({
  _tag: 'PluginTimeout',
  message: `the request took longer than ${String(timeoutMs)} ms (option limits.requestTimeoutMs)`,
})

/**
 * Runs a step that never rejects, and ends it when its time is over or the client leaves, whether or not the step listens to the
 * signal in its `env`: that one is aborted, and the outcome waits for nobody.
 */
export const inTime = <A>(
  env: CallEnv,
  timeoutMs: number,
  step: (env: CallEnv) => Promise<E.Either<AggregatorError, A>>,
): Promise<E.Either<AggregatorError, A>> =>
  new Promise((resolve) => {
    if (env.signal.aborted) {
      resolve(E.left({ _tag: 'Cancelled' }))
      return
    }
    const call = new AbortController()
    const settle = (result: E.Either<AggregatorError, A>): void => {
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
    void step({ ...env, signal: call.signal, timeoutMs }).then(settle)
  })

/** Bounds the time of everything further in, from the body to the last frame. */
export const deadline =
  (timeoutMs: number): Layer =>
  (next) => {
    const handle = total(next)
    return (request, env) => () => inTime(env, timeoutMs, (inner) => handle(request, inner)())
  }
