import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { HttpRequest } from '../http.ts'
import type { CallEnv, Layer } from '../service.ts'
import { total } from './total.ts'

/**
 * How many requests may be under way at once, by kind: those that go on and on (streams) do not take the places of the others.
 * Source: max-(mutating-)requests-inflight of the Kubernetes apiserver, which leaves long-running requests out.
 */
export interface InFlightLimits {
  readonly reads: number
  readonly writes: number
  readonly longRunning: number
}

const busy = (kind: keyof InFlightLimits, limit: number): AggregatorError => ({
  _tag: 'TooManyRequests',
  message: `too many requests in flight: limit is ${String(limit)} (option limits.inFlight.${kind})`,
  retryAfterSeconds: 1,
})

const kindOf = (request: HttpRequest, { route }: CallEnv): keyof InFlightLimits => {
  if (route.isLongRunning?.(request) === true) return 'longRunning'
  return request.method === 'GET' || request.method === 'HEAD' ? 'reads' : 'writes'
}

/**
 * Bounds the requests under way, each until its answer is out: a slow reader keeps its place. The rest is told at once to come
 * again. Nothing is awaited between the look at the counter and its step: requests that arrive together would all pass.
 */
export const limits = (inFlight: InFlightLimits): Layer => {
  const count = { reads: 0, writes: 0, longRunning: 0 }
  return (next) => {
    const handle = total(next)
    return (request, env) => () => {
      const kind = kindOf(request, env)
      if (count[kind] >= inFlight[kind]) return Promise.resolve(E.left(busy(kind, inFlight[kind])))
      count[kind]++
      return handle(request, env)().finally(() => {
        void request.over.then(() => count[kind]--)
      })
    }
  }
}
