import type { PluginRoute } from '../api/plugin-json.ts'
import type { AggregatorError } from '../errors.ts'
import type { ForwardTransport } from '../forward.ts'
import { E, pipe } from '../fp.ts'
import type { HttpRequest } from '../http.ts'
import type { CallEnv } from '../service.ts'
import { forwardedHeaders } from './forwarded-headers.ts'
import { forwardedQuery } from './forwarded-query.ts'
import { httpRouteOf, plainTransport, type HttpRoute } from './http-settings.ts'
import { cookiesOf, tokensOf } from './plugin-headers.ts'
import { basicAuth, configuredHeader, isHeaderValue, ownHeaders, type OwnHeaders } from './proxy-headers.ts'
import type { ProxyInstance } from './proxy-instance.ts'
import type { MatchedRoute } from './proxy-route.ts'
import { misconfigured, parseTarget, urlBelow, type Forwarding, type ProxyTarget } from './proxy-target.ts'
import { fillIn, interpolate, type TemplateData } from './template.ts'
import { tokenAuthOf, tokenKey, type TokenAuth } from './token-auth.ts'

/** A request as it goes out, but for its body and a token. */
export interface ProxyRequest {
  readonly forwarding: Forwarding
  readonly method: string
  /** With the token of the route, where it needs one. */
  readonly headers: (token: string | undefined) => OwnHeaders
  readonly transport: ForwardTransport
  /** What plugin.json puts in the place of the client's body. */
  readonly body: Uint8Array | undefined
  readonly token: { readonly auth: TokenAuth; readonly key: string } | undefined
}

/** What it is made of. */
export interface ProxyParts {
  readonly request: HttpRequest
  readonly segments: ReadonlyArray<string>
  readonly instance: ProxyInstance
  readonly matched: MatchedRoute | undefined
}

type Pairs = ReadonlyArray<readonly [string, string]>

/** `Grafana/12.4.0` of `Grafana/12.4.0 (linux; amd64)`: what Grafana says of itself to datasources. */
export const shortUserAgent = (userAgent: string): string => userAgent.split(' ', 1)[0] ?? ''

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

const routeHeaders = (route: PluginRoute | undefined, data: TemplateData): E.Either<string, OwnHeaders> => {
  const pairs = fillPairs('headers', route?.headers, data)
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
const routeBody = ({ body }: PluginRoute, data: TemplateData): E.Either<string, Uint8Array | undefined> => {
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

/** Byte for byte as it came, unless the route adds to it: then written anew, in the order of names, as Grafana does. */
const queryOf = (query: string, route: PluginRoute | undefined, data: TemplateData): E.Either<string, string> => {
  const own = forwardedQuery(query)
  if (route?.urlParams === undefined || route.urlParams.length === 0) return E.right(own)
  return pipe(
    fillPairs('urlParams', route.urlParams, data),
    E.map((added) => {
      const params = new URLSearchParams(own)
      for (const [name, content] of added) params.append(name, content)
      params.sort()
      return params.toString()
    }),
  )
}

/** The route's own URL stands for its path; without one, the datasource's for nothing. */
const targetOf = ({
  instance: { datasource, data, name },
  matched,
}: ProxyParts): E.Either<string, { readonly target: ProxyTarget; readonly taken: number }> => {
  const url = matched?.route.url ?? ''
  if (matched !== undefined && url !== '') {
    return pipe(
      fillIn('url', url, data),
      E.flatMap((filled) => E.mapLeft((fault: string) => `the route's url ${fault}`)(parseTarget(filled))),
      E.map((target) => ({ target, taken: matched.taken })),
    )
  }
  if (datasource === undefined) return E.left('the route has no url, which one of an app needs')
  return pipe(
    parseTarget(datasource.url),
    E.bimap(
      (fault) => `the url of ${name} ${fault}`,
      (target) => ({ target, taken: 0 }),
    ),
  )
}

/** Datasources that log in by themselves. Source: director of ds_proxy.go. */
const ownAuth = ({ datasource, data: { SecureJsonData } }: ProxyInstance, pluginId: string): string | undefined => {
  if (datasource === undefined) return undefined
  const { basicAuthEnabled, basicAuthUser, user } = datasource
  if (basicAuthEnabled) return basicAuth(basicAuthUser, SecureJsonData['basicAuthPassword'] ?? '')
  const isInflux = pluginId === 'influxdb' && user !== ''
  return isInflux ? basicAuth(user, SecureJsonData['password'] ?? '') : undefined
}

/** What a client says to a datasource itself, past this server. */
const clientAuth = ({ headers }: HttpRequest, { datasource }: ProxyInstance): string | undefined => {
  const given = headers['x-ds-authorization']
  return datasource !== undefined && typeof given === 'string' && given !== '' && isHeaderValue(given)
    ? given
    : undefined
}

/** W3C trace context; not baggage, which may tell anything. */
const traceOf = ({ trace = {} }: CallEnv): OwnHeaders =>
  ownHeaders({ traceparent: trace['traceparent'], tracestate: trace['tracestate'] })

/** Later ones win. Source: the order of director in ds_proxy.go, and the custom headers of the SDK's transport, which come last. */
const headersOf = (
  { request, instance, matched }: ProxyParts,
  custom: OwnHeaders,
  ofRoute: OwnHeaders,
  env: CallEnv,
): ProxyRequest['headers'] => {
  const of = { dataSourceInstanceSettings: instance.datasource }
  const cookie = cookiesOf(request.headers, of)
  const { 'content-encoding': encoding, ...ofClient } = forwardedHeaders(request.headers, env.forwardedHeaders)
  const first = ownHeaders(
    ofClient,
    // of the client's body, not of the route's
    { 'content-encoding': matched?.route.body === undefined ? encoding : undefined },
    traceOf(env),
    { 'user-agent': shortUserAgent(env.userAgent) },
    { authorization: clientAuth(request, instance) ?? ownAuth(instance, env.service.spec.pluginID) },
    { cookie: cookie === '' ? undefined : cookie },
    ofRoute,
  )
  const last = ownHeaders(tokensOf(request.user, of), custom)
  return (token) => ownHeaders(first, { authorization: token === undefined ? undefined : `Bearer ${token}` }, last)
}

/**
 * The request that goes out for a client's. Fails with BadGateway where settings or templates cannot be used: upstream sends such a
 * request all the same, without credentials or to another place. Pure. Source: director of ds_proxy.go, ds_auth_provider.go.
 */
export const proxyRequest = (parts: ProxyParts, env: CallEnv): E.Either<AggregatorError, ProxyRequest> => {
  const { request, segments, instance, matched } = parts
  const { data, owner, datasource, name } = instance
  const route = matched?.route
  const way: E.Either<string, HttpRoute> =
    datasource === undefined
      ? E.right({ transport: plainTransport(owner), headers: ownHeaders() })
      : httpRouteOf(owner, data.JsonData, data.SecureJsonData)
  return pipe(
    E.Do,
    E.bind('way', () => E.mapLeft((fault: string) => `settings of ${name}: ${fault}`)(way)),
    E.bind('where', () => targetOf(parts)),
    E.bind('query', () => queryOf(request.query, route, data)),
    E.bind('ofRoute', () => routeHeaders(route, data)),
    E.bind('body', () => (route === undefined ? E.right(undefined) : routeBody(route, data))),
    E.mapLeft((fault) => misconfigured(`the request cannot be sent on: ${fault}`)),
    E.bind('auth', () => (route === undefined ? E.right(undefined) : tokenAuthOf(route, data))),
    E.map(({ way: { transport, headers }, where: { target, taken }, query, ofRoute, body, auth }) => {
      const url = urlBelow(target, segments.slice(taken), query)
      const depth = request.path.endsWith('/proxy') && segments.length === 0 ? 0 : Math.max(1, segments.length)
      return {
        forwarding: { target, url, depth, prefix: segments.slice(0, taken) },
        method: request.method,
        headers: headersOf(parts, headers, ofRoute, env),
        transport,
        body,
        token: route === undefined || auth === undefined ? undefined : { auth, key: tokenKey(owner, route, auth) },
      }
    }),
  )
}
