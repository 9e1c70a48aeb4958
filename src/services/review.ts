import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { HeaderMap } from '../http.ts'

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
