import { toStatus, type Result } from '../errors.ts'
import { E } from '../fp.ts'
import type { HttpAnswer } from '../http.ts'
import type { Layer } from '../service.ts'
import { observeAll, type Observer } from '../telemetry.ts'
import { total } from './total.ts'

/**
 * Tells an observer of each request, once when it begins and once when it ends, however it ends: also when a layer further in
 * throws. The observer decides in which context the request is answered, never whether: one that throws is left out.
 */
export const telemetry =
  (observe: Observer): Layer =>
  (next) => {
    const begin = observeAll([observe])
    const handle = total(next)
    return (request, env) => async () => {
      const { within, trace, ended } = begin(request, env)
      const inner = trace === undefined ? env : { ...env, trace }
      const startedMs = performance.now()
      let running: ReturnType<Result<HttpAnswer>> | undefined
      const start = (): ReturnType<Result<HttpAnswer>> => (running ??= handle(request, inner)())
      within?.(() => void start())
      const result = await start()
      const durationMs = performance.now() - startedMs
      ended(
        E.isLeft(result)
          ? { code: toStatus(result.left).code, durationMs, error: result.left }
          : {
              code: result.right.status,
              durationMs,
              error: undefined,
              errorSource: result.right._tag === 'Bytes' ? result.right.errorSource : undefined,
            },
      )
      return result
    }
  }
