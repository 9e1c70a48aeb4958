import { toStatus, type AggregatorError, type Result } from '../errors.ts'
import { E } from '../fp.ts'
import type { HttpAnswer, StreamAnswer } from '../http.ts'
import type { Layer } from '../service.ts'
import { observeAll, type Observer } from '../telemetry.ts'
import { total } from './total.ts'

const failureOf = (
  { isEndless = false }: StreamAnswer,
  error: AggregatorError | undefined,
): AggregatorError | undefined =>
  error?._tag === 'Cancelled' || (isEndless && error?._tag === 'PluginTimeout') ? undefined : error

/**
 * Tells an observer of each request, once when it begins and once when it ends, however it ends: also when a layer further in
 * throws. A stream ends with its last chunk; that its reader leaves, or an endless one has had its time, is no failure. The
 * observer decides in which context the request is answered, never whether: one that throws is left out.
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
      if (E.isLeft(result)) ended({ code: toStatus(result.left).code, durationMs, error: result.left })
      else if (result.right._tag === 'Stream') {
        const answer = result.right
        void request.over.then((error) => {
          ended({
            code: answer.status,
            durationMs: performance.now() - startedMs,
            error: failureOf(answer, error),
            errorSource: answer.errorSource?.(),
          })
        })
      } else {
        const errorSource = result.right._tag === 'Bytes' ? result.right.errorSource : undefined
        ended({ code: result.right.status, durationMs, error: undefined, errorSource })
      }
      return result
    }
  }
