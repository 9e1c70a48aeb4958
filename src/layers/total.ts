import { unexpected } from '../errors.ts'
import { E } from '../fp.ts'
import type { Layer } from '../service.ts'

/** Nothing gets past: what throws or rejects, early or late, becomes Unexpected, whose cause is logged and never sent. */
export const total: Layer = (next) => (request, env) => () => {
  try {
    return next(request, env)().catch((cause: unknown) => E.left(unexpected(cause)))
  } catch (cause) {
    return Promise.resolve(E.left(unexpected(cause)))
  }
}
