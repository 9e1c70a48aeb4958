import type { AggregatorError } from '../errors.ts'
import type { ForwardTransport } from '../forward.ts'
import { E, pipe } from '../fp.ts'
import type { HttpRequest } from '../http.ts'
import type { CallEnv } from '../service.ts'
import { forwardedHeaders } from './forwarded-headers.ts'
import { forwardedQuery } from './forwarded-query.ts'
import { httpWayOf, plainTransport, type HttpWay } from './http-settings.ts'
import { cookiesOf, tokensOf } from './plugin-headers.ts'
import { basicAuth, isHeaderValue, ownHeaders, shortUserAgent, type OwnHeaders } from './proxy-headers.ts'
import type { ProxyInstance } from './proxy-instance.ts'
import { fillRoute, type FilledRoute } from './proxy-route-fill.ts'
import type { MatchedRoute } from './proxy-route.ts'
import { misconfigured, parseTarget, urlBelow, type Forwarding, type ProxyTarget } from './proxy-target.ts'
import { tokenKey, type TokenAuth } from './token-auth.ts'

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
  { request, instance }: ProxyParts,
  custom: OwnHeaders,
  filled: FilledRoute | undefined,
  env: CallEnv,
): ProxyRequest['headers'] => {
  const of = { dataSourceInstanceSettings: instance.datasource }
  const cookie = cookiesOf(request.headers, of)
  const { 'content-encoding': encoding, ...ofClient } = forwardedHeaders(request.headers, env.forwardedHeaders)
  const first = ownHeaders(
    ofClient,
    // of the client's body, not of the route's
    { 'content-encoding': filled?.body === undefined ? encoding : undefined },
    traceOf(env),
    { 'user-agent': shortUserAgent(env.userAgent) },
    { authorization: clientAuth(request, instance) ?? ownAuth(instance, env.service.spec.pluginID) },
    { cookie: cookie === '' ? undefined : cookie },
    filled?.headers ?? {},
  )
  const last = ownHeaders(tokensOf(request.user, of), custom)
  return (token) => ownHeaders(first, { authorization: token === undefined ? undefined : `Bearer ${token}` }, last)
}

/** Byte for byte as it came, unless the route adds to it: then written anew, in the order of names, as Grafana does. */
const queryOf = (given: string, urlParams: FilledRoute['urlParams'] = []): string => {
  const query = forwardedQuery(given)
  if (urlParams.length === 0) return query
  const params = new URLSearchParams(query)
  for (const [name, content] of urlParams) params.append(name, content)
  params.sort()
  return params.toString()
}

/** The datasource's own, or none; an app's plugin.json has to name one. */
const targetOf = ({ datasource, name }: ProxyInstance): E.Either<AggregatorError, ProxyTarget> =>
  datasource === undefined
    ? E.left(misconfigured('the route of plugin.json has no url, which one of an app needs'))
    : E.mapLeft((fault: string) => misconfigured(`the url of ${name} ${fault}`))(parseTarget(datasource.url))

const wayTo = ({ datasource, name, owner, data }: ProxyInstance): E.Either<AggregatorError, HttpWay> =>
  datasource === undefined
    ? E.right({ transport: plainTransport(owner), headers: ownHeaders() })
    : pipe(
        httpWayOf(owner, data.JsonData, data.SecureJsonData),
        E.mapLeft((fault) => misconfigured(`settings of ${name}: ${fault}`)),
      )

/**
 * The request that goes out for a client's. Fails with BadGateway where settings or templates cannot be used, and with NotImplemented:
 * upstream sends such a request all the same, without credentials or to another place. Pure. Source: director of ds_proxy.go.
 */
export const proxyRequest = (parts: ProxyParts, env: CallEnv): E.Either<AggregatorError, ProxyRequest> => {
  const { request, segments, instance, matched } = parts
  return pipe(
    E.Do,
    E.bind('way', () => wayTo(instance)),
    E.bind('filled', () => (matched === undefined ? E.right(undefined) : fillRoute(matched.route, instance.data))),
    E.bind('target', ({ filled }) => (filled?.target === undefined ? targetOf(instance) : E.right(filled.target))),
    E.map(({ way: { transport, headers }, filled, target }) => {
      // what the route's own URL stands for
      const taken = filled?.target === undefined ? 0 : (matched?.taken ?? 0)
      const url = urlBelow(target, segments.slice(taken), queryOf(request.query, filled?.urlParams))
      const depth = request.path.endsWith('/proxy') && segments.length === 0 ? 0 : Math.max(1, segments.length)
      const auth = filled?.tokenAuth
      return {
        forwarding: {
          ...{ target, url, depth },
          prefix: segments.slice(0, taken),
          added: (filled?.urlParams ?? []).map(([name]) => name),
        },
        method: request.method,
        headers: headersOf(parts, headers, filled, env),
        transport,
        body: filled?.body,
        token:
          auth === undefined || matched === undefined
            ? undefined
            : { auth, key: tokenKey(instance.owner, matched.route, auth) },
      }
    }),
  )
}
