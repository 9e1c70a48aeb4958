import type { Backend } from '../api/dataplane-service.ts'
import type { AggregatorError } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import type { HttpRequest, User } from '../http.ts'
import type { Handle, ServiceDefinition } from '../service.ts'
import { forwardedHeaders } from './forwarded-headers.ts'
import { forwardedQuery } from './forwarded-query.ts'
import { plainTransport } from './http-settings.ts'
import { sendOn, toAnswer } from './proxy-answer.ts'
import { holdBody } from './proxy-body.ts'
import { ownHeaders, shortUserAgent, type OwnHeaders } from './proxy-headers.ts'
import { climbs, encodedTwice, misconfigured, parseTarget, urlBelow } from './proxy-target.ts'

const retryAfterSeconds = 5

/** UTF-8 as Go writes it into a header. Left where the reader would see another text: he trims spaces, and stops at a line's end. */
const headerValue = (text: string): E.Either<AggregatorError, string> => {
  const value = Buffer.from(text).toString('latin1')
  const isSame = /^[\t\x20-\x7e\x80-\xff]*$/.test(value) && !/^[\t ]|[\t ]$/.test(value)
  return isSame
    ? E.right(value)
    : E.left({ _tag: 'Forbidden', message: 'the name, a group or another attribute of the user fits into no header' })
}

const headerValues = (texts: ReadonlyArray<string>): E.Either<AggregatorError, ReadonlyArray<string>> => {
  const values: string[] = []
  for (const text of texts) {
    const value = headerValue(text)
    if (E.isLeft(value)) return value
    values.push(value.right)
  }
  return E.right(values)
}

/** What is no token of RFC 9110, and the percent sign itself, percent-encoded. Source: headerKeyEscape of client-go. */
const escapeKey = (key: string): string =>
  encodeURIComponent(Buffer.from(key).toString()).replace(/[()]/g, (char) => `%${char.charCodeAt(0).toString(16)}`)

/** Who asks, in the headers of Kubernetes' front proxies, which only this server may set. Fails with Unauthorized and Forbidden. */
const identityOf = (user: User | undefined): E.Either<AggregatorError, OwnHeaders> => {
  if (user === undefined) return E.left({ _tag: 'Unauthorized', message: 'Unauthorized' })
  const { name, uid, groups = [], extra = {} } = user
  const given: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
    ['x-remote-user', [name]],
    ['x-remote-uid', uid === undefined ? [] : [uid]],
    ['x-remote-group', groups],
    ...Object.entries(extra).map(([key, values]) => [`x-remote-extra-${escapeKey(key)}`, values] as const),
  ]
  const headers = ownHeaders()
  for (const [header, texts] of given) {
    const values = headerValues(texts)
    if (E.isLeft(values)) return values
    if (values.right.length > 0) headers[header] = values.right
  }
  return E.right(headers)
}

/** An object whose server is away is unavailable, like one whose plugin is. Where it is, is nobody's business. */
const toUnavailable = (error: AggregatorError): AggregatorError =>
  error._tag === 'BadGateway'
    ? { _tag: 'PluginUnavailable', message: 'the backend cannot be reached', retryAfterSeconds, cause: error.cause }
    : error

const urlOf = ({ path, query }: HttpRequest, baseURL: string): E.Either<AggregatorError, string> => {
  if (climbs(path)) return E.left(encodedTwice)
  return pipe(
    parseTarget(baseURL),
    E.bimap(
      (fault) => misconfigured(`the backend's baseURL ${fault}`),
      (target) => urlBelow(target, path.slice(1).split('/'), forwardedQuery(query)),
    ),
  )
}

const toBackend =
  ({ baseURL, caBundle }: Backend): Handle =>
  (request, env) => {
    const ca = caBundle === undefined ? undefined : Buffer.from(caBundle, 'base64').toString()
    // a space, which no owner of a datasource has
    const owner = `backend ${env.service.metadata.name}`
    const tls = { skipVerify: false, ...(ca === undefined ? {} : { ca }) }
    // Its time is the request's: a backend may answer streams.
    const transport = { ...plainTransport(owner, tls), timeoutMs: 0 }
    return pipe(
      TE.Do,
      TE.bind('url', () => TE.fromEither(urlOf(request, baseURL))),
      TE.bind('identity', () => TE.fromEither(identityOf(request.user))),
      TE.bind('body', () => holdBody(request.streamBody())),
      TE.bind('reply', ({ url, identity, body }) => {
        const headers = ownHeaders(
          forwardedHeaders(request.headers, env.forwardedHeaders),
          { 'user-agent': shortUserAgent(env.userAgent) },
          identity,
        )
        return pipe(sendOn({ method: request.method, url, headers, body, transport }, env), TE.mapLeft(toUnavailable))
      }),
      TE.flatMapEither(({ reply }) => toAnswer(reply, { ownLocation: () => undefined, secrets: [] })),
    )
  }

/** The same definition, but for objects with a `spec.backend`: whatever they claim goes there, and their plugin is not asked. */
export const orBackend = (definition: ServiceDefinition): ServiceDefinition => ({
  type: definition.type,
  routes: (entry, service) => {
    const { backend } = service.spec
    const routes = definition.routes(entry, service)
    if (backend === undefined) return routes
    const handle = toBackend(backend)
    return routes.map((route) => ({ ...route, handle, upgrades: false }))
  },
})
