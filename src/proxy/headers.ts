import type { HeaderMap } from '../http.ts'

/** These belong to one connection, and never cross to the next. RFC 9110, 7.6.1, and what came before it. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Ours to say, as they follow from where the request goes and from its body; and Expect, for which nobody would wait. */
const ours: ReadonlySet<string> = new Set(['content-length', 'expect', 'host', 'http2-settings'])

const namesIn = (connection: string | ReadonlyArray<string>): ReadonlyArray<string> =>
  [connection].flat().flatMap((value) => value.split(',').map((name) => name.trim().toLowerCase()))

/** What of the given headers goes out. */
export const requestHeaders = (given: HeaderMap): Record<string, string | string[]> => {
  const headers: Record<string, string | string[]> = {}
  const listed = given['connection'] === undefined ? [] : namesIn(given['connection'])
  for (const [key, value] of Object.entries(given)) {
    const name = key.toLowerCase()
    if (value === undefined || hopByHop.has(name) || ours.has(name) || listed.includes(name)) continue
    headers[name] = typeof value === 'string' ? value : [...value]
  }
  return headers
}

/** Names and values in turn, as they came, to lists under lower-case names; those of the connection are left out. */
export const answerHeaders = (raw: ReadonlyArray<string>): HeaderMap => {
  const headers: Record<string, string | string[]> = {}
  // a server may well send a header named __proto__
  Object.setPrototypeOf(headers, null)
  const listed: string[] = []
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase()
    const value = raw[index + 1] ?? ''
    // nearly always it lists nothing but itself
    if (name === 'connection' && value !== 'keep-alive' && value !== 'close') listed.push(...namesIn(value))
    if (hopByHop.has(name)) continue
    const before = headers[name]
    if (before === undefined) headers[name] = value
    else if (typeof before === 'string') headers[name] = [before, value]
    else before.push(value)
  }
  for (const name of listed) delete headers[name]
  return headers
}
