import type { AggregatorError, Result } from '../errors.ts'
import { TE } from '../fp.ts'
import type { Layer } from '../service.ts'

/** How many requests may be under way at once, by kind. Source: max-(mutating-)requests-inflight of the Kubernetes apiserver. */
export interface InFlightLimits {
  readonly reads: number
  readonly writes: number
}

const busy = (kind: 'reads' | 'writes', limit: number): AggregatorError => ({
  _tag: 'TooManyRequests',
  message: `too many requests in flight: limit is ${String(limit)} (option limits.inFlight.${kind})`,
  retryAfterSeconds: 1,
})

/** Bounds the requests under way; the rest is told at once to come again. */
export const limits = (inFlight: InFlightLimits): Layer => {
  const count = { reads: 0, writes: 0 }
  const enter = (kind: 'reads' | 'writes'): Result<void> =>
    TE.fromIO(() => {
      count[kind]++
    })
  const leave = (kind: 'reads' | 'writes') => (): Result<void> =>
    TE.fromIO(() => {
      count[kind]--
    })
  return (next) => (request, env) => {
    const kind = request.method === 'GET' || request.method === 'HEAD' ? 'reads' : 'writes'
    return count[kind] >= inFlight[kind]
      ? TE.left(busy(kind, inFlight[kind]))
      : TE.bracket(enter(kind), () => next(request, env), leave(kind))
  }
}
