import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { HeaderMap } from '../http.ts'
import type { CallResourceResponse, HeaderLists } from '../plugin.ts'
import { decodeAscii } from './forwarded-query.ts'

/** What of a request its answer is judged by. */
export interface Asked {
  /** The canonical one. */
  readonly path: string
  /** Below it, or equal to it, are the paths that a redirect may lead to. Shape: `/apis/…/datasources/p1/resources`. */
  readonly base: string
}

export interface ResourceHead {
  readonly status: number
  readonly headers: HeaderMap
}

/** A header is bytes: Go writes a text's UTF-8, node:http its Latin-1, and refuses what has none. */
const toBytes = (value: string): string => Buffer.from(value).toString('latin1')

/** Of these the first value counts: readers differ in which of two they take. */
const single: ReadonlySet<string> = new Set(['content-encoding', 'content-type', 'location'])

/** Lower-case, without those that `Connection` names; the header policy knows which of them a client may have. */
const readHeaders = (given: HeaderLists): Map<string, ReadonlyArray<string>> => {
  const headers = new Map<string, ReadonlyArray<string>>()
  for (const [name, values] of Object.entries(given)) {
    const key = name.toLowerCase()
    if (values.length > 0) headers.set(key, [...(headers.get(key) ?? []), ...values])
  }
  for (const name of headers.get('connection')?.join().split(',') ?? []) headers.delete(name.trim().toLowerCase())
  for (const [name, values] of headers) {
    headers.set(name, (single.has(name) ? values.slice(0, 1) : values).map(toBytes))
  }
  return headers
}

/** Somewhat less than curl takes; to read far more would keep other requests waiting. */
const maxHeaderChars = 256 * 1024

const charsOf = (given: HeaderLists): number =>
  Object.entries(given).reduce(
    (sum, [name, values]) => values.reduce((all, { length }) => all + length, sum + name.length),
    0,
  )

const isRedirect = (status: number): boolean => status >= 300 && status <= 399 && status !== 304

/** Servers differ in whether they decode a path before they resolve its dot segments. */
const dots = /(?:^|[/\\])\.\.?(?:[;/\\]|$)/

/**
 * Says that every client that follows it ends up below `base`. Only what is relative to the request's own path can: no plugin knows
 * what this server is mounted at. Browsers take a backslash for a slash, and see no line feeds.
 */
const staysBelow = (location: string, { path, base }: Asked): boolean => {
  if (/^[^/?#]*:|^\/|[\\\s]/.test(location)) return false
  const origin = 'http://localhost'
  if (!URL.canParse(location, `${origin}${path}`)) return false
  const { pathname } = new URL(location, `${origin}${path}`)
  return (pathname === base || pathname.startsWith(`${base}/`)) && !dots.test(decodeAscii(pathname))
}

const hasContent = (status: number): boolean => status !== 204 && status !== 304

/**
 * What a client gets of the first message but its body. Fails with BadPlugin for a redirect that leads away, and for too large headers. No script of a
 * plugin's runs on the host's origin, whatever it says itself. Source: CallResource of Grafana's plugin client, httpresponsesender.
 */
export const readHead = (
  { status: given, headers: lists }: CallResourceResponse,
  asked: Asked,
): E.Either<AggregatorError, ResourceHead> => {
  const status = given === 0 ? 200 : given
  if (charsOf(lists) > maxHeaderChars) {
    return E.left({
      _tag: 'BadPlugin',
      message: `the plugin answered with headers of more than ${String(maxHeaderChars)} characters`,
    })
  }
  const headers = readHeaders(lists)
  const [location] = headers.get('location') ?? []
  if (location !== undefined && isRedirect(status) && !staysBelow(location, asked)) {
    return E.left({
      _tag: 'BadPlugin',
      message: `the plugin answered with a redirect that leads away from "${asked.base}"`,
    })
  }
  headers.set('content-security-policy', ['sandbox'])
  if (hasContent(status) && !headers.has('content-type')) headers.set('content-type', ['application/json'])
  const entries = [...headers].map(([name, values]) => [name, values.length === 1 ? values[0] : values] as const)
  return E.right({ status, headers: Object.fromEntries(entries) })
}
