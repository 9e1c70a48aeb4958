import type { PluginRoute } from '../api/plugin-json.ts'
import { quote } from '../decode.ts'
import { badRequest, type AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import { decodeDeeply } from './proxy-target.ts'

/** What a client asks a proxied path for. */
export interface Asked {
  readonly method: string
  /** Below the proxy's own path, each as it came. */
  readonly segments: ReadonlyArray<string>
}

/** What a plugin.json says of proxied paths. */
export interface ProxyRules {
  readonly pluginId: string
  readonly pluginType: 'app' | 'datasource'
  readonly routes: ReadonlyArray<PluginRoute>
}

/** A route of plugin.json, and how many of the client's segments it took. */
export interface MatchedRoute {
  readonly route: PluginRoute
  readonly taken: number
}

const forbidden = ({ method, segments }: Asked, pluginId: string): E.Either<AggregatorError, never> =>
  E.left({
    _tag: 'Forbidden',
    message: `no route of plugin ${quote(pluginId)} allows ${method} on path ${quote(segments.join('/'))}`,
  })

const isRead = (method: string): boolean => ['GET', 'HEAD', 'OPTIONS'].includes(method)

/**
 * Datasources whose routes in plugin.json tell of what is more than reading: everybody may read, though no route names the path.
 * Source: validateRequest of ds_proxy.go.
 */
const openForReads = new Set([
  'elasticsearch',
  'grafana-amazonprometheus-datasource',
  'grafana-azureprometheus-datasource',
  'loki',
  'prometheus',
])

/** Its searches are POSTs. */
const isSearch = ({ method, segments }: Asked, pluginId: string): boolean =>
  pluginId === 'elasticsearch' && method === 'POST' && segments.length === 1 && segments[0] === '_msearch'

const decode = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/** Without slashes at its ends, and what a cleaned path has not. A path that cleans to nothing stands for all. */
const segmentsOfRoute = ({ path = '' }: PluginRoute): ReadonlyArray<string> =>
  path
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.')
    .map(decode)

/** RFC 9110: whoever answers GET answers HEAD. */
const hasMethod = ({ method = '' }: PluginRoute, asked: string): boolean => {
  const own = method.toUpperCase()
  return own === '' || own === '*' || own === asked || (own === 'GET' && asked === 'HEAD')
}

const isPrefix = (prefix: ReadonlyArray<string>, segments: ReadonlyArray<string>): boolean =>
  prefix.every((segment, index) => segment === segments[index])

/** The first route, in the order of plugin.json, whose whole segments the path begins with. */
const firstRoute = (
  routes: ReadonlyArray<PluginRoute>,
  method: string,
  segments: ReadonlyArray<string>,
  spell: (segment: string) => string,
): PluginRoute | undefined =>
  routes.find((route) => hasMethod(route, method) && isPrefix(segmentsOfRoute(route).map(spell), segments))

/** As a lenient server might read it: decoded more than once, without parameters and empty segments, whatever its case. */
const readLoosely = (segments: ReadonlyArray<string>): ReadonlyArray<string> =>
  decodeDeeply(segments.join('/'))
    .toLowerCase()
    .split(/[/\\]/)
    .map((segment) => segment.split(';', 1)[0] ?? '')
    .filter((segment) => segment !== '')

/**
 * Which route of plugin.json a request is for; `undefined`: none, and none is needed, so it goes to the datasource's own URL. Fails
 * with Forbidden where the plugin has routes and none matches, which Grafana lets pass; and with BadRequest where a lenient server
 * might take the path for one of another route. Pure.
 */
export const chooseRoute = (
  asked: Asked,
  { pluginId, pluginType, routes }: ProxyRules,
): E.Either<AggregatorError, MatchedRoute | undefined> => {
  const { method, segments } = asked
  const route = firstRoute(routes, method, segments.map(decode), (segment) => segment)
  const loose = firstRoute(routes, method, readLoosely(segments), (segment) => segment.toLowerCase())
  if (loose !== route && loose !== undefined) {
    return E.left(badRequest(`the path is ambiguous: it may be one of route ${quote(loose.path ?? '')} of plugin.json`))
  }
  if (route !== undefined) return E.right({ route, taken: segmentsOfRoute(route).length })
  const isOpen = openForReads.has(pluginId) ? isRead(method) || isSearch(asked, pluginId) : routes.length === 0
  return isOpen && pluginType === 'datasource' ? E.right(undefined) : forbidden(asked, pluginId)
}
