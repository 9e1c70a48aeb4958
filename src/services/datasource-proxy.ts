import type { AggregatorError, Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import type { HttpAnswer, HttpRequest } from '../http.ts'
import { toHandle, unread, type PluginEnv, type ServiceDefinition } from '../service.ts'
import { instancePaths } from './paths.ts'
import { sendOn, toAnswer, type Reply } from './proxy-answer.ts'
import { holdBody } from './proxy-body.ts'
import { shortUserAgent } from './proxy-headers.ts'
import { instanceOf } from './proxy-instance.ts'
import { proxyRequest, type ProxyRequest } from './proxy-request.ts'
import { chooseRoute, type MatchedRoute } from './proxy-route.ts'
import { climbs, encodedTwice, ownLocation, segmentsOf } from './proxy-target.ts'
import { fetchToken } from './token-auth.ts'
import { createTokenCache, type TokenCache } from './token-cache.ts'

interface ProxyCall {
  readonly request: HttpRequest
  readonly segments: ReadonlyArray<string>
}

const decode = (request: HttpRequest): E.Either<AggregatorError, ProxyCall> =>
  climbs(request.tail) ? E.left(encodedTwice) : E.right({ request, segments: segmentsOf(request.tail) })

/** The route of plugin.json, and leave to use it. */
const routeOf = ({ request, segments }: ProxyCall, env: PluginEnv): Result<MatchedRoute | undefined> => {
  const { pluginID, pluginType } = env.service.spec
  const rules = { pluginId: pluginID, pluginType, routes: env.plugin.pluginJson?.routes ?? [] }
  return pipe(
    TE.fromEither(chooseRoute({ method: request.method, segments }, rules)),
    TE.chainFirst((matched) => {
      const { reqAction = '', reqRole = '' } = matched?.route ?? {}
      if (reqAction !== '') return env.mayAccess({ reqAction })
      return reqRole === '' ? TE.right(undefined) : env.mayAccess({ reqRole })
    }),
  )
}

/** Its 401 would read as ours, and log the client out. */
const refused: AggregatorError = {
  _tag: 'PluginFailed',
  message: 'Authentication to data source failed',
  source: 'downstream',
}

/** Sends the request with its body, and once more with another token if the datasource takes no liking to the first one. */
const send = (
  { method, headers, transport, forwarding: { url }, token, ...made }: ProxyRequest,
  { request }: ProxyCall,
  env: PluginEnv,
  tokens: TokenCache,
): Result<Reply> => {
  const { signal, forward } = env
  const nowMs = request.receivedAtMs
  const sendWith = (bearer: string | undefined, body: Parameters<typeof forward>[0]['body']): Result<Reply> =>
    sendOn({ method, url, headers: headers(bearer), body, transport }, env)

  const body = made.body === undefined ? holdBody(request.streamBody()) : TE.right(made.body)
  if (token === undefined) {
    return pipe(
      body,
      TE.flatMap((held) => sendWith(undefined, held)),
    )
  }
  const { key, auth } = token
  const errand = { forward, owner: `${transport.pool.owner} token`, userAgent: shortUserAgent(env.userAgent), nowMs }
  const fetch = (until: AbortSignal) => fetchToken(auth, { ...errand, signal: until })
  const bearer = tokens.get({ key, fetch, nowMs, signal })
  return pipe(
    TE.Do,
    TE.bind('first', () => bearer),
    TE.bind('held', () => body),
    TE.bind('reply', ({ first, held }) => sendWith(first, held)),
    TE.flatMap(({ first, held, reply }) => {
      const canResend = held === undefined || held instanceof Uint8Array
      if (reply.answer.status !== 401 || !canResend) return TE.right(reply)
      reply.release()
      tokens.forget(key, first)
      return pipe(
        bearer,
        TE.flatMap((second) => sendWith(second, held)),
      )
    }),
  )
}

const proxy =
  (tokens: TokenCache) =>
  (call: ProxyCall, env: PluginEnv): Result<HttpAnswer> => {
    const { request, segments } = call
    const { namespace = '', uid } = request.params
    return pipe(
      TE.Do,
      TE.bind('instance', () => instanceOf({ namespace, uid }, env)),
      TE.bind('matched', () => routeOf(call, env)),
      TE.bind('made', ({ instance, matched }) =>
        TE.fromEither(proxyRequest({ request, segments, instance, matched }, env)),
      ),
      TE.bind('reply', ({ made }) => send(made, call, env, tokens)),
      TE.flatMapEither(({ instance: { secrets }, made: { forwarding }, reply }) => {
        if (reply.answer.status !== 401) {
          return toAnswer(reply, { ownLocation: (location) => ownLocation(location, forwarding), secrets })
        }
        reply.release()
        return E.left(refused)
      }),
    )
  }

/**
 * Proxied paths: `…/{connections,datasources}/{uid}/proxy/*` goes to the datasource's URL, or where a route of the plugin's
 * plugin.json says, with the datasource's credentials and not the client's. The plugin itself is not asked, and need not run.
 * Source: ds_proxy.go of Grafana, without its defects.
 */
export const datasourceProxy = (): ServiceDefinition => {
  const call = proxy(createTokenCache())
  const handle = toHandle({ read: unread, decode, call, encode: E.right })
  return {
    type: 'datasource-proxy',
    routes: ({ method = '*' }, { spec }) =>
      ['/proxy', '/proxy/*']
        .flatMap((rest) => instancePaths(spec.pluginType, rest))
        .map((path) => ({ method, path, handle })),
  }
}
