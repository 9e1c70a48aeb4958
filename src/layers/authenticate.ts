import { pipe, TE } from '../fp.ts'
import type { User } from '../http.ts'
import type { Layer } from '../service.ts'
import type { AggregatorError } from '../errors.ts'
import { inTime } from './deadline.ts'

const nobody: AggregatorError = { _tag: 'Unauthorized', message: 'Unauthorized' }

/**
 * Finds out who asks, where the host has a way of its own, for no longer than a request may take: nobody is 401. Else it is whoever
 * the host's middlewares left on the request, and it is for `authorize` to say what the one without a name may do.
 */
export const authenticate: Layer = (next) => (request, env) => {
  const { authenticate: find } = request
  if (find === undefined) return next(request, env)
  return pipe(
    () => inTime(env, env.timeoutMs, find),
    TE.flatMap((user: User | undefined) => (user === undefined ? TE.left(nobody) : next({ ...request, user }, env))),
  )
}
