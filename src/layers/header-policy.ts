import type { AggregatorError } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import type { HeaderMap, HttpAnswer } from '../http.ts'
import type { Layer } from '../service.ts'

/** Which headers cross, lower-case. */
export interface HeaderNames {
  /** Of a request, to a service. */
  readonly request: ReadonlyArray<string>
  /** Of an answer, to a client. */
  readonly response: ReadonlyArray<string>
}

/** What an answer may say of itself. Not in it: what acts on the host's origin (Set-Cookie, CORS, HSTS, X-Accel-…) or belongs to the connection. */
export const responseHeaders: ReadonlyArray<string> = [
  'accept-ranges',
  'age',
  'allow',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-range',
  'content-security-policy',
  'content-type',
  'deprecation',
  'etag',
  'expires',
  'last-modified',
  'link',
  'location',
  'retry-after',
  'sunset',
  'vary',
  'warning',
  'x-accel-buffering',
  'x-content-type-options',
]

const pick = (headers: HeaderMap, names: ReadonlyArray<string>): HeaderMap => {
  const picked: Record<string, string | ReadonlyArray<string>> = {}
  Object.setPrototypeOf(picked, null)
  for (const name of names) {
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined
    if (value !== undefined) picked[name] = value
  }
  return picked
}

/** RFC 9110, 5.5. Whatever else a value holds could begin another header, or another answer; Node throws at it. */
const isFieldValue = (value: unknown): boolean => typeof value === 'string' && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)

const isSendable = (value: unknown): boolean =>
  Array.isArray(value) ? value.every((item) => isFieldValue(item)) : isFieldValue(value)

const cannotBeSent = (what: string): E.Either<AggregatorError, never> =>
  E.left({ _tag: 'BadPlugin', message: `the answer cannot be sent: ${what}` })

const clean = (answer: HttpAnswer, allowed: ReadonlySet<string>): E.Either<AggregatorError, HttpAnswer> => {
  const { status } = answer
  if (!(Number.isInteger(status) && status >= 200 && status <= 599)) {
    return cannotBeSent(`expected a status from 200 to 599, got ${String(status)}`)
  }
  const headers: Record<string, string | ReadonlyArray<string>> = {}
  Object.setPrototypeOf(headers, null)
  for (const [given, value] of Object.entries(answer.headers)) {
    const name = given.toLowerCase()
    if (value === undefined || !allowed.has(name)) continue
    if (!isSendable(value)) return cannotBeSent(`expected printable Latin-1 text in header "${name}"`)
    headers[name] = value
  }
  headers['x-content-type-options'] = 'nosniff'
  return E.right({ ...answer, headers })
}

/**
 * Deny by default, both ways: a service sees the listed request headers only, and a client the listed ones of its answer. An
 * answer with a status or a header that HTTP cannot carry fails here, where it still can: once it is begun, it could only be cut.
 */
export const headerPolicy = ({ request: crossing, response }: HeaderNames): Layer => {
  const allowed = new Set(response)
  return (next) => (request, env) =>
    pipe(
      next({ ...request, headers: pick(request.headers, crossing) }, env),
      TE.flatMapEither((answer) => clean(answer, allowed)),
    )
}
