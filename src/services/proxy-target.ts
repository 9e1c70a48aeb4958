import type { PluginRoute } from '../api/plugin-json.ts'
import { quote } from '../decode.ts'
import { badRequest, type AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import { decodeAscii } from './forwarded-query.ts'

/** Where requests go: all that is sent lies at or below `path`. Shape: `{ origin: 'https://db:9090', path: '/base' }`. */
export interface ProxyTarget {
  readonly origin: string
  readonly path: string
}

/** Settings, or a plugin.json, that no request can be made of. Nothing was sent. */
export const misconfigured = (message: string): AggregatorError => ({ _tag: 'BadGateway', message })

/** Shape of `fault`: `headers[0].content: ".JsonData.x" has no value`. */
export const misconfiguredRoute =
  ({ path = '' }: PluginRoute) =>
  (fault: string): AggregatorError =>
    misconfigured(`route ${quote(path)} of plugin.json: ${fault}`)

/** Reads a URL out of settings. Left: what is wrong with it, without the URL: it may hold a password. */
export const parseHttpUrl = (text: string): E.Either<string, URL> => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') return E.left('is not an absolute http or https URL')
  return url.username === '' && url.password === '' ? E.right(url) : E.left('holds a user or a password')
}

/** A target out of settings; the URL's query and fragment go nowhere, as in Grafana. */
export const parseTarget = (text: string): E.Either<string, ProxyTarget> =>
  pipe(
    parseHttpUrl(text),
    E.map(({ origin, pathname }) => ({ origin, path: pathname })),
  )

/** The tail of a wildcard route, cut; each segment as it came. */
export const segmentsOf = (tail: string): ReadonlyArray<string> => (tail === '' ? [] : tail.split('/'))

const withoutSlash = (path: string): string => (path.endsWith('/') ? path.slice(0, -1) : path)

/** Joins by exactly one slash; nothing joined leaves the path as it is. Source: JoinURLFragments of Grafana. */
export const urlBelow = ({ origin, path }: ProxyTarget, segments: ReadonlyArray<string>, query: string): string =>
  origin +
  (segments.length === 0 ? path : `${withoutSlash(path)}/${segments.join('/')}`) +
  (query === '' ? '' : `?${query}`)

/** Nests of encodings this deep are undone; no chain of servers decodes more often. */
const rounds = 3

/** What a path is for servers that decode it more than once. */
export const decodeDeeply = (path: string): string => {
  let text = path
  for (let round = 0; round < rounds; round++) text = decodeAscii(text.replace(/%(?:25)+/g, '%'))
  return text
}

/**
 * Whether a path leaves the place that it is put below, for any server on its way: the matcher has refused dot segments, also behind
 * an encoded slash, but not those that are encoded twice.
 */
export const climbs = (path: string): boolean => /(?:^|[/\\])\.\.?(?:[;/\\]|$)/.test(decodeDeeply(path))

export const encodedTwice = badRequest('the path is ambiguous: it holds a dot segment that is encoded more than once')

/** How a client's path became the one that was sent. */
export interface Forwarding {
  readonly target: ProxyTarget
  /** What was sent, in full. */
  readonly url: string
  /** The client's path, up to the end of its fixed part: how many segments of it come behind. 0: none, and no slash either. */
  readonly depth: number
  /** The segments of the client's path for which `target` stands. */
  readonly prefix: ReadonlyArray<string>
  /** Names of the parameters that the route put into the query: they are not the client's. */
  readonly added: ReadonlyArray<string>
}

/** A query without some of its parameters, else byte for byte. Shape: `?a=b`, or empty. */
const withoutParameters = (search: string, names: ReadonlyArray<string>): string => {
  if (names.length === 0) return search
  const nameOf = (parameter: string): string => new URLSearchParams(parameter).keys().next().value ?? ''
  const kept = search
    .slice(1)
    .split('&')
    .filter((parameter) => !names.includes(nameOf(parameter)))
  return kept.join('&') === '' ? '' : `?${kept.join('&')}`
}

/**
 * A Location of an answer as the client can follow it: relative to its own path, so whatever this server is mounted at stands.
 * `undefined`: it leads elsewhere than below the target.
 */
export const ownLocation = (
  location: string,
  { target, url, depth, prefix, added }: Forwarding,
): string | undefined => {
  if (!URL.canParse(location, url)) return undefined
  const { origin, pathname, search, hash } = new URL(location, url)
  const root = withoutSlash(target.path)
  if (origin !== target.origin || !(pathname === root || pathname.startsWith(`${root}/`))) return undefined
  if (climbs(pathname)) return undefined
  const up = depth === 0 ? 'proxy/' : depth === 1 ? './' : '../'.repeat(depth - 1)
  return up + [...prefix, pathname.slice(root.length + 1)].join('/') + withoutParameters(search, added) + hash
}
