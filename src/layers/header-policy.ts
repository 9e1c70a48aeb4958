import { pipe, TE } from '../fp.ts'
import type { HeaderMap, HttpAnswer } from '../http.ts'
import type { Layer } from '../service.ts'

/** Connection-level headers, which are never an answer's own, and what would act on the host's origin. */
const withheld = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const pick = (headers: HeaderMap, names: ReadonlyArray<string>): HeaderMap => {
  const picked: Record<string, string | ReadonlyArray<string>> = {}
  Object.setPrototypeOf(picked, null)
  for (const name of names) {
    const value = headers[name]
    if (value !== undefined) picked[name] = value
  }
  return picked
}

const clean = (answer: HttpAnswer): HttpAnswer => {
  const headers: Record<string, string | ReadonlyArray<string> | undefined> = {}
  Object.setPrototypeOf(headers, null)
  for (const [name, value] of Object.entries(answer.headers)) {
    if (!withheld.has(name.toLowerCase())) headers[name.toLowerCase()] = value
  }
  headers['x-content-type-options'] = 'nosniff'
  return { ...answer, headers }
}

/** Deny by default, both ways: a service sees the listed request headers only, a client none of the withheld ones. */
export const headerPolicy =
  (allowed: ReadonlyArray<string>): Layer =>
  (next) =>
  (request, env) =>
    pipe(next({ ...request, headers: pick(request.headers, allowed) }, env), TE.map(clean))
