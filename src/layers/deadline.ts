import type { AggregatorError, Result } from '../errors.ts'
import { E } from '../fp.ts'
import type { HttpAnswer } from '../http.ts'
import type { CallEnv, Layer } from '../service.ts'
import { total } from './total.ts'

/** Time for a whole request, ms. */
export interface Deadlines {
  readonly requestTimeoutMs: number
  readonly longRunningTimeoutMs: number
}

const tooLate = (timeoutMs: number, option: keyof Deadlines): AggregatorError => ({
  _tag: 'PluginTimeout',
  message: `the request took longer than ${String(timeoutMs)} ms (option limits.${option})`,
})

interface Clocked<A> {
  readonly timeoutMs: number
  readonly option: keyof Deadlines
  /** What of an outcome goes on after it: its time runs until that has resolved. */
  readonly goesOn?: (outcome: A) => Promise<unknown> | undefined
}

/**
 * Runs a step that never rejects, and ends it when its time is over or the client leaves, whether or not the step listens to the
 * signal in its `env`: that one is aborted, with the error as its reason, and the outcome waits for nobody. It is aborted as well
 * when the step failed, or what went on after it is over: something may have been begun that nobody will read.
 */
const clocked = <A>(
  env: CallEnv,
  { timeoutMs, option, goesOn }: Clocked<A>,
  step: (env: CallEnv) => Promise<E.Either<AggregatorError, A>>,
): Promise<E.Either<AggregatorError, A>> =>
  new Promise((resolve) => {
    if (env.signal.aborted) {
      resolve(E.left({ _tag: 'Cancelled' }))
      return
    }
    const call = new AbortController()
    const forget = (): void => {
      clearTimeout(timer)
      env.signal.removeEventListener('abort', leave)
    }
    const end = (error: AggregatorError): void => {
      forget()
      resolve(E.left(error))
      call.abort(error)
    }
    const leave = (): void => {
      end({ _tag: 'Cancelled' })
    }
    const timer = setTimeout(end, timeoutMs, tooLate(timeoutMs, option))
    env.signal.addEventListener('abort', leave)
    void step({ ...env, signal: call.signal, timeoutMs }).then((result) => {
      if (E.isLeft(result)) {
        end(result.left)
        return
      }
      resolve(result)
      const rest = goesOn?.(result.right)
      if (rest === undefined) forget()
      else void rest.then(leave)
    })
  })

/** Runs a step for no longer than a request may take. */
export const inTime = <A>(env: CallEnv, timeoutMs: number, step: Result<A>): Promise<E.Either<AggregatorError, A>> =>
  clocked(env, { timeoutMs, option: 'requestTimeoutMs' }, step)

type Outcome = E.Either<AggregatorError, HttpAnswer>

const withEnd = (outcome: Outcome, until: AbortSignal): Outcome =>
  E.isRight(outcome) && outcome.right._tag === 'Stream' ? E.right({ ...outcome.right, until }) : outcome

/** Bounds the time of everything further in, from the body to the last frame; of a stream, until its last chunk is out. */
export const deadline =
  ({ requestTimeoutMs, longRunningTimeoutMs }: Deadlines): Layer =>
  (next) => {
    const handle = total(next)
    return (request, env) => () => {
      const isLong = env.route.isLongRunning?.(request) === true
      return clocked<HttpAnswer>(
        env,
        {
          timeoutMs: isLong ? longRunningTimeoutMs : requestTimeoutMs,
          option: isLong ? 'longRunningTimeoutMs' : 'requestTimeoutMs',
          goesOn: ({ _tag }) => (_tag === 'Stream' ? request.over : undefined),
        },
        (inner) =>
          handle(request, { ...inner, isLongRunning: isLong })().then((outcome) => withEnd(outcome, inner.signal)),
      )
    }
  }
