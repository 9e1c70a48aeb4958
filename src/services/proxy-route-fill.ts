import type { PluginRoute } from '../api/plugin-json.ts'
import type { AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import { configuredHeader, ownHeaders, type OwnHeaders } from './proxy-headers.ts'
import { misconfiguredRoute, parseTarget, type ProxyTarget } from './proxy-target.ts'
import { fillIn, interpolate, type TemplateData } from './template.ts'
import { tokenAuthOf, type TokenAuth } from './token-auth.ts'

type Pairs = ReadonlyArray<readonly [name: string, content: string]>

/** A route of plugin.json, its templates filled in. */
export interface FilledRoute {
  /** `undefined`: the datasource's own. */
  readonly target: ProxyTarget | undefined
  readonly urlParams: Pairs
  readonly headers: OwnHeaders
  /** `undefined`: the client's. */
  readonly body: Uint8Array | undefined
  readonly tokenAuth: TokenAuth | undefined
}

const fillPairs = (field: string, pairs: PluginRoute['headers'] = [], data: TemplateData): E.Either<string, Pairs> => {
  const filled: Array<readonly [string, string]> = []
  for (const [index, { name, content = '' }] of pairs.entries()) {
    const at = `${field}[${String(index)}]`
    const pair = pipe(
      E.Do,
      E.bind('name', () => fillIn(`${at}.name`, name, data)),
      E.bind('content', () => fillIn(`${at}.content`, content, data)),
    )
    if (E.isLeft(pair)) return pair
    filled.push([pair.right.name, pair.right.content])
  }
  return E.right(filled)
}

const fillHeaders = (route: PluginRoute, data: TemplateData): E.Either<string, OwnHeaders> => {
  const pairs = fillPairs('headers', route.headers, data)
  if (E.isLeft(pairs)) return pairs
  const headers = ownHeaders()
  for (const [index, [name, content]] of pairs.right.entries()) {
    const header = configuredHeader(name, content)
    if (E.isLeft(header)) return E.left(`headers[${String(index)}]: ${header.left}`)
    headers[header.right[0]] = header.right[1]
  }
  return E.right(headers)
}

/** Each text of it is a template: filled in as values, no secret can break out of its quotes. */
const fillBody = ({ body }: PluginRoute, data: TemplateData): E.Either<string, Uint8Array | undefined> => {
  if (body === undefined) return E.right(undefined)
  let fault: string | undefined
  const text = JSON.stringify(body, (_key, value: unknown) => {
    if (typeof value !== 'string') return value
    const filled = interpolate(value, data)
    if (E.isLeft(filled)) fault ??= filled.left
    return E.isLeft(filled) ? '' : filled.right
  })
  return fault === undefined ? E.right(Buffer.from(text)) : E.left(`body: ${fault}`)
}

const fillUrl = ({ url = '' }: PluginRoute, data: TemplateData): E.Either<string, ProxyTarget | undefined> =>
  url === ''
    ? E.right(undefined)
    : pipe(
        fillIn('url', url, data),
        E.flatMap((filled) => E.mapLeft((fault: string) => `url ${fault}`)(parseTarget(filled))),
      )

/**
 * Fills in a route of plugin.json. Fails with BadGateway, which names route and field and tells no value, and with NotImplemented for
 * an authentication that is not served. Pure. Source: ApplyRoute in ds_auth_provider.go of Grafana, and addHeaders, setBodyContent.
 */
export const fillRoute = (route: PluginRoute, data: TemplateData): E.Either<AggregatorError, FilledRoute> =>
  pipe(
    E.Do,
    E.bind('target', () => fillUrl(route, data)),
    E.bind('urlParams', () => fillPairs('urlParams', route.urlParams, data)),
    E.bind('headers', () => fillHeaders(route, data)),
    E.bind('body', () => fillBody(route, data)),
    E.mapLeft(misconfiguredRoute(route)),
    E.bind('tokenAuth', () => tokenAuthOf(route, data)),
  )
