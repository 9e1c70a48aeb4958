import type { HeaderMap, User } from '../http.ts'
import type { PluginContext } from '../plugin.ts'
import { allowedCookies, hasOauthPassThru, keepCookies } from './cookies.ts'

type Settings = Pick<PluginContext, 'dataSourceInstanceSettings'>
type Forwarded = ReadonlyArray<readonly [name: string, key: string]>

/** The key that the plugin SDK looks for. */
const withKeys = (...names: ReadonlyArray<string>): Forwarded =>
  names.map((name) => [name.toLowerCase(), `http_${name}`] as const)

/** Of Grafana's front end. Source: tracing_header_middleware.go. */
const tracing = withKeys(
  'X-Query-Group-Id',
  'X-Panel-Id',
  'X-Panel-Plugin-Id',
  'X-Panel-Title',
  'X-Dashboard-Uid',
  'X-Dashboard-Title',
  'X-Datasource-Uid',
  'X-Grafana-From-Expr',
  'X-Grafana-Org-Id',
)

/** Of Grafana's alerting. `FromAlert` has no canonical name, and plugins know it by this key. Source: usealertingheaders_middleware.go. */
const alerting: Forwarded = [
  ...withKeys(
    'X-Rule-Name',
    'X-Rule-Uid',
    'X-Rule-Folder',
    'X-Rule-Source',
    'X-Rule-Type',
    'X-Rule-Version',
    'X-Rule-Origin',
  ),
  ['fromalert', 'FromAlert'],
]

/** What each kind of call is told. */
const forwarded = { query: [...tracing, ...alerting], health: tracing, stream: tracing } as const

/** Lower-case names of what Grafana's front end tells of itself. */
export const tracingNames: ReadonlyArray<string> = tracing.map(([name]) => name)

/** Names that the header policy must let through for `pluginHeaders` to see them. */
export const forwardedNames: ReadonlyArray<string> = [...forwarded.query.map(([name]) => name), 'cookie']

/** Outside printable ASCII becomes percent-encoded Latin-1, byte by byte: gRPC refuses anything else. */
export const toAscii = (value: string): string =>
  Array.from(Buffer.from(value, 'latin1'), (byte) =>
    byte >= 0x20 && byte <= 0x7e ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('')

/** The cookies of a request that go to an instance, as one header; empty: none. Only a datasource that names them gets any. Source: cookies_middleware.go. */
export const cookiesOf = ({ cookie }: HeaderMap, { dataSourceInstanceSettings }: Settings): string =>
  typeof cookie === 'string' && dataSourceInstanceSettings !== undefined
    ? keepCookies(cookie, allowedCookies(dataSourceInstanceSettings.jsonData))
    : ''

/**
 * The headers in which a user's tokens go to an instance: of the user, never of the request. Shape: `{ authorization: 'Bearer …',
 * 'x-id-token': '…', 'x-grafana-id': '…' }`. Source: oauthtoken_middleware.go, forward_id_middleware.go.
 */
export const tokensOf = (
  user: User | undefined,
  { dataSourceInstanceSettings }: Settings,
): Readonly<Record<string, string>> => {
  if (user?.tokens === undefined) return {}
  const { access, id, grafanaId } = user.tokens
  const isPassed = dataSourceInstanceSettings !== undefined && hasOauthPassThru(dataSourceInstanceSettings.jsonData)
  return {
    ...(isPassed && access !== undefined ? { authorization: toAscii(`Bearer ${access}`) } : {}),
    ...(isPassed && id !== undefined ? { 'x-id-token': toAscii(id) } : {}),
    ...(grafanaId === undefined ? {} : { 'x-grafana-id': toAscii(grafanaId) }),
  }
}

/** The keys under which the plugin SDK looks for them in a headers map. */
const keyOfToken: Readonly<Record<string, string>> = {
  authorization: 'Authorization',
  'x-id-token': 'X-ID-Token',
  'x-grafana-id': 'http_X-Grafana-Id',
}

/**
 * The headers map of a call. Shape: `{ 'http_X-Panel-Id': '2', FromAlert: 'true', Cookie: 'app_theme=dark' }`. Credentials of
 * the client are not in it: what Authorization holds was meant for this server, and a plugin would pass it on to its datasource.
 * Tokens come from the user alone.
 */
export const pluginHeaders = (
  call: keyof typeof forwarded,
  headers: HeaderMap,
  user: User | undefined,
  context: PluginContext,
): Readonly<Record<string, string>> => {
  const cookies = call === 'stream' ? '' : cookiesOf(headers, context)
  const tokens = Object.entries(call === 'stream' ? {} : tokensOf(user, context)).map(
    ([name, value]) => [keyOfToken[name] ?? name, value] as const,
  )
  const entries = forwarded[call].flatMap(([name, key]): ReadonlyArray<readonly [string, string]> => {
    const value = headers[name]
    return typeof value === 'string' && value !== '' ? [[key, toAscii(value)]] : []
  })
  return Object.fromEntries([...entries, ...tokens, ...(cookies === '' ? [] : [['Cookie', cookies] as const])])
}
