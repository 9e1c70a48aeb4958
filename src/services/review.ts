import type { AggregatorError } from '../errors.ts'
import { E, TE, pipe } from '../fp.ts'
import type { HeaderMap } from '../http.ts'
import type { Handle } from '../service.ts'

/** Far deeper than objects are, and far from where recursion ends. */
export const maxDepth = 1000

/** `application/json`, and what is JSON by another name. */
export const isJsonType = (contentType: unknown): boolean =>
  typeof contentType === 'string' && /^\s*application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType)

/** Webhooks are called with JSON: whoever sends anything else means another door. */
export const expectJson = (headers: HeaderMap): E.Either<AggregatorError, void> =>
  isJsonType(headers['content-type'])
    ? E.right(undefined)
    : E.left({ _tag: 'UnsupportedMediaType', message: 'expected content type "application/json"' })

/**
 * An apiserver asks a webhook again when Retry-After has passed, ten times, but for no longer than it gives it: 10 s, or 30 s of a
 * conversion. So a plugin that starts again is waited for; with longer pauses the apiserver would tell of its own timeout alone.
 * Source: with_retry.go of client-go.
 */
export const withShortRetry =
  (handle: Handle): Handle =>
  (request, env) =>
    pipe(
      handle(request, env),
      TE.mapLeft((error) => (error._tag === 'PluginUnavailable' ? { ...error, retryAfterSeconds: 1 } : error)),
    )
