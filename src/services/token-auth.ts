import { parseAccessToken, type AccessToken } from '../api/access-token.ts'
import type { PluginRoute } from '../api/plugin-json.ts'
import { describeCauses, quote } from '../decode.ts'
import type { AggregatorError, Result } from '../errors.ts'
import type { Forward } from '../forward.ts'
import { E, pipe, TE } from '../fp.ts'
import { fingerprint } from './fingerprint.ts'
import { plainTransport } from './http-settings.ts'
import { readBody } from './proxy-body.ts'
import { isHeaderValue } from './proxy-headers.ts'
import { misconfiguredRoute, parseHttpUrl } from './proxy-target.ts'
import { fillIn, type TemplateData } from './template.ts'
import { signAssertion } from './token-assertion.ts'

/** How a route of plugin.json gets a token, its templates filled in. */
export interface TokenAuth {
  /** `form`: the parameters are sent as they are. `assertion`: they are what is signed, and with what. */
  readonly kind: 'form' | 'assertion'
  readonly url: string
  readonly scopes: ReadonlyArray<string>
  readonly params: Readonly<Record<string, string>>
}

type Given = NonNullable<PluginRoute['tokenAuth']>

/** Far longer than any token. */
const answerBytes = 256 * 1024

const fill = (given: Given, data: TemplateData): E.Either<string, Omit<TokenAuth, 'kind'>> => {
  const params: Record<string, string> = {}
  for (const [name, template] of Object.entries(given.params ?? {})) {
    const value = fillIn(`params.${name}`, template, data)
    if (E.isLeft(value)) return value
    params[name] = value.right
  }
  const scopes: string[] = []
  for (const template of given.scopes ?? []) {
    const scope = fillIn('scopes', template, data)
    if (E.isLeft(scope)) return scope
    scopes.push(scope.right)
  }
  return pipe(
    fillIn('url', given.url ?? '', data),
    E.map((url) => ({ url, scopes, params })),
  )
}

const readAuth = (field: 'tokenAuth' | 'jwtTokenAuth', given: Given, data: TemplateData): E.Either<string, TokenAuth> =>
  pipe(
    fill(given, data),
    E.map((auth): TokenAuth => {
      if (field === 'tokenAuth') return { kind: 'form', ...auth }
      return { kind: 'assertion', ...auth, url: auth.params['token_uri'] ?? auth.url }
    }),
    E.chainFirst(({ url }) => E.mapLeft((fault: string) => `url ${fault}`)(parseHttpUrl(url))),
    E.mapLeft((fault) => `${field}.${fault}`),
  )

/**
 * How a route gets its token; `undefined`: it needs none. jsonData.authenticationType goes before the route's own. Fails with
 * NotImplemented for a type that is not served, and BadGateway for a wrong template. Pure. Source: ds_auth_provider.go of Grafana.
 */
export const tokenAuthOf = (
  route: PluginRoute,
  data: TemplateData,
): E.Either<AggregatorError, TokenAuth | undefined> => {
  const { authType = '', tokenAuth, jwtTokenAuth } = route
  // Of other use to plugins whose routes need no token.
  if (authType === '' && tokenAuth === undefined && jwtTokenAuth === undefined) return E.right(undefined)
  const given = data.JsonData['authenticationType']
  const type = typeof given === 'string' && given !== '' ? given : authType
  if (type !== '' && type !== 'jwt') {
    return E.left({
      _tag: 'NotImplemented',
      message: `authentication type ${quote(type)} is not served for proxied paths`,
    })
  }
  const fault = misconfiguredRoute(route)
  if (type === '' && tokenAuth !== undefined) return E.mapLeft(fault)(readAuth('tokenAuth', tokenAuth, data))
  return jwtTokenAuth === undefined
    ? E.left(fault('authentication type "jwt" needs jwtTokenAuth'))
    : E.mapLeft(fault)(readAuth('jwtTokenAuth', jwtTokenAuth, data))
}

/** Everything that a token depends on, unreadable. */
export const tokenKey = (owner: string, { method = '', path = '' }: PluginRoute, auth: TokenAuth): string =>
  JSON.stringify([owner, method, path, fingerprint(JSON.stringify(auth))])

const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

const formOf = ({ kind, url, scopes, params }: TokenAuth, nowMs: number): Result<Readonly<Record<string, string>>> =>
  kind === 'form'
    ? TE.right(params)
    : pipe(
        signAssertion(
          { issuer: params['client_email'] ?? '', audience: url, scopes, nowMs },
          params['private_key'] ?? '',
        ),
        TE.map((assertion) => ({ grant_type: jwtBearer, assertion })),
      )

const bad = (message: string): AggregatorError => ({ _tag: 'BadGateway', message: `its endpoint ${message}` })

const parse = (body: Uint8Array | undefined, askedAtMs: number): E.Either<AggregatorError, AccessToken> => {
  if (body === undefined) return E.left(bad(`answered more than ${String(answerBytes)} bytes`))
  return pipe(
    E.tryCatch(
      (): unknown => JSON.parse(Buffer.from(body).toString()),
      () => bad('answered no JSON'),
    ),
    E.flatMap((value) =>
      E.mapLeft((causes: Parameters<typeof describeCauses>[0]) =>
        bad(`answered JSON without a token: ${describeCauses(causes)}`),
      )(parseAccessToken(value, askedAtMs)),
    ),
    E.filterOrElse(
      ({ value }) => value !== '' && isHeaderValue(value),
      () => bad('answered a token that fits into no header'),
    ),
  )
}

/** What a token is fetched with. */
export interface TokenErrand {
  readonly forward: Forward
  /** Of the connections. */
  readonly owner: string
  readonly userAgent: string
  /** ms since the epoch. */
  readonly nowMs: number
  readonly signal: AbortSignal
}

const atEndpoint = (error: AggregatorError): AggregatorError =>
  error._tag === 'BadGateway' || error._tag === 'GatewayTimeout'
    ? { ...error, message: `no token: ${error.message}` }
    : error

/** As it goes out: in the spelling of the URL parser, without a fragment. */
const sentUrl = (url: string): string => {
  const { origin, pathname, search } = new URL(url)
  return origin + pathname + search
}

/**
 * Asks the token endpoint, which is reached by the system's certificates and not by the datasource's. Fails with BadGateway, also for
 * every status but 2xx, which Grafana ignores; with GatewayTimeout and what `forward` fails with. Source: token_provider_generic.go.
 */
export const fetchToken = (
  auth: TokenAuth,
  { forward, owner, userAgent, nowMs, signal }: TokenErrand,
): Result<AccessToken> =>
  pipe(
    formOf(auth, nowMs),
    TE.flatMap((form) =>
      forward(
        {
          method: 'POST',
          url: sentUrl(auth.url),
          headers: {
            accept: 'application/json',
            'content-type': 'application/x-www-form-urlencoded',
            'user-agent': userAgent,
          },
          body: Buffer.from(new URLSearchParams(form).toString()),
          transport: plainTransport(owner),
        },
        { signal },
      ),
    ),
    TE.flatMap(({ status, body }) =>
      pipe(
        readBody(body, answerBytes),
        TE.flatMapEither((bytes) =>
          status >= 200 && status <= 299 ? parse(bytes, nowMs) : E.left(bad(`answered ${String(status)}`)),
        ),
      ),
    ),
    TE.mapLeft(atEndpoint),
  )
