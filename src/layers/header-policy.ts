import { pipe, TE } from '../fp.ts'
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
    const value = headers[name]
    if (value !== undefined) picked[name] = value
  }
  return picked
}

const clean = (answer: HttpAnswer, allowed: ReadonlySet<string>): HttpAnswer => {
  const headers: Record<string, string | ReadonlyArray<string> | undefined> = {}
  Object.setPrototypeOf(headers, null)
  for (const [given, value] of Object.entries(answer.headers)) {
    const name = given.toLowerCase()
    if (allowed.has(name)) headers[name] = value
  }
  headers['x-content-type-options'] = 'nosniff'
  return { ...answer, headers }
}

/** Deny by default, both ways: a service sees the listed request headers only, and a client the listed ones of its answer. */
export const headerPolicy = ({ request: crossing, response }: HeaderNames): Layer => {
  const allowed = new Set(response)
  return (next) => (request, env) =>
    pipe(
      next({ ...request, headers: pick(request.headers, crossing) }, env),
      TE.map((answer) => clean(answer, allowed)),
    )
}
