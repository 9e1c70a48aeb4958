import { toStatus } from '../errors.ts'
import { E } from '../fp.ts'
import type { Layer } from '../service.ts'
import type { Observer } from '../telemetry.ts'

/** Tells an observer of each request, once when it begins and once when it ends, however it ends. */
export const telemetry =
  (observe: Observer): Layer =>
  (next) =>
  (request, env) =>
  async () => {
    const ended = observe(request, env)
    const startedMs = performance.now()
    const result = await next(request, env)()
    const durationMs = performance.now() - startedMs
    ended(
      E.isLeft(result)
        ? { code: toStatus(result.left).code, durationMs, error: result.left }
        : { code: result.right.status, durationMs, error: undefined },
    )
    return result
  }
