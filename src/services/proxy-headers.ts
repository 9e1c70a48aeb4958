import { E } from '../fp.ts'

/** Headers to send, lower-case; the object has no prototype. */
export type OwnHeaders = Record<string, string | ReadonlyArray<string>>

/** Several as one; what a later one holds stands. */
export const ownHeaders = (
  ...given: ReadonlyArray<Readonly<Record<string, string | ReadonlyArray<string> | undefined>>>
): OwnHeaders => {
  const headers: OwnHeaders = {}
  Object.setPrototypeOf(headers, null)
  for (const map of given) {
    for (const [name, value] of Object.entries(map)) if (value !== undefined) headers[name] = value
  }
  return headers
}

/** Belong to the connection, or to the one who makes it. */
const reserved = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Token of RFC 9110. */
const isToken = (name: string): boolean => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)

/** What goes over the wire as it is: no line break, and one byte for each character. */
export const isHeaderValue = (value: string): boolean => /^[\t\x20-\x7e\x80-\xff]*$/.test(value)

/** A header out of settings, its name lower-case. Left: why it cannot be sent; the value is never in it. */
export const configuredHeader = (
  name: string,
  value: string,
): E.Either<string, readonly [name: string, value: string]> => {
  const lower = name.toLowerCase()
  // a template may have made it of a secret
  if (!isToken(name)) return E.left('its name is no name of a header')
  if (reserved.has(lower)) return E.left('it belongs to the connection')
  return isHeaderValue(value) ? E.right([lower, value]) : E.left('its value holds a character that no header can')
}

/** Shape: `Basic am9lOnNlY3JldA==`. RFC 7617, in UTF-8. */
export const basicAuth = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

/** `Grafana/12.4.0` of `Grafana/12.4.0 (linux; amd64)`: what Grafana says of itself to datasources. */
export const shortUserAgent = (userAgent: string): string => userAgent.split(' ', 1)[0] ?? ''
