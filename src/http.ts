import { toStatus, type AggregatorError, type ErrorSource, type Result } from './errors.ts'

/** Lower-case header names to values, as node:http gives them; the object has no prototype. */
export type HeaderMap = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

/** A JSON body twice: the value to decode, and the very text to cut from where numbers must not pass through float64. */
export interface JsonBody {
  readonly value: unknown
  readonly text: string
}

/** What the host's authentication holds for a user and plugins may be given; nothing of it is ever taken from a request. */
export interface UserTokens {
  /** OAuth access token, for datasources with `jsonData.oauthPassThru`. */
  readonly access?: string
  /** OpenID Connect id token, for the same. */
  readonly id?: string
  /** Grafana's signed id token, for every plugin. */
  readonly grafanaId?: string
}

/** Who asks. Source: user.Info of Kubernetes, and the User message of pluginv2 for the three optional fields. */
export interface User {
  /** Unique name; `login` of the plugin context. */
  readonly name: string
  readonly groups?: ReadonlyArray<string>
  readonly uid?: string
  readonly extra?: Readonly<Record<string, ReadonlyArray<string>>>
  readonly displayName?: string
  readonly email?: string
  /** Grafana organisation role: `Viewer`, `Editor` or `Admin`. */
  readonly role?: string
  readonly tokens?: UserTokens
}

/**
 * A claimed request as plain data. Shape of `path`: `/apis/prometheus.grafana.app/v0alpha1/namespaces/default/connections/p1/query`,
 * the canonical path: what was matched is what is authorized and sent on.
 */
export interface HttpRequest {
  readonly method: string
  readonly path: string
  /** Values of the template's `{name}` segments, percent-decoded, in an object without prototype. */
  readonly params: Readonly<Record<string, string | undefined>>
  /** What a wildcard route left over: exact, still percent-encoded, without its leading slash. */
  readonly tail: string
  /** Raw text after `?`, without it. */
  readonly query: string
  readonly headers: HeaderMap
  readonly user: User | undefined
  /** When the door took it, ms since the epoch: the one `now` of this request. */
  readonly receivedAtMs: number
  /** Resolves when the answer is out or the client is gone; until then the request occupies its place. */
  readonly over: Promise<void>
  /** Reads the body when it is run, not before; run it once. Fails with BadRequest, BodyTooLarge, Cancelled. */
  readonly readJson: Result<JsonBody>
}

/** What a door knows of a request by itself; the table knows the rest. */
export type Arrival = Pick<HttpRequest, 'method' | 'headers' | 'user' | 'receivedAtMs' | 'over' | 'readJson'>

/** An answer as plain data; the door carries it out. */
export type HttpAnswer =
  | { readonly _tag: 'Json'; readonly status: number; readonly headers: HeaderMap; readonly value: unknown }
  | {
      readonly _tag: 'Bytes'
      readonly status: number
      readonly headers: HeaderMap
      /** Ready bytes, made as they are pulled and sent as they are: one chunk goes out with its Content-Length. */
      readonly chunks: Iterable<Uint8Array>
      /** Set when the answer itself tells of a failure (of a refId): who it is laid at. */
      readonly errorSource?: ErrorSource | undefined
    }

export const json = (status: number, value: unknown, headers: HeaderMap = {}): HttpAnswer => ({
  _tag: 'Json',
  status,
  headers,
  value,
})

export const bytes = (
  status: number,
  headers: HeaderMap,
  chunks: Iterable<Uint8Array>,
  errorSource?: ErrorSource,
): HttpAnswer => ({
  _tag: 'Bytes',
  status,
  headers,
  chunks,
  errorSource,
})

const failureHeaders = (error: AggregatorError): HeaderMap => {
  if (error._tag === 'MethodNotAllowed') return { allow: error.allow.join(', ') }
  if (error._tag === 'TooManyRequests' || error._tag === 'PluginUnavailable') {
    return { 'retry-after': String(error.retryAfterSeconds) }
  }
  return {}
}

/** What a client reads of an error: a Kubernetes Status, with the headers that belong to its code. */
export const failure = (error: AggregatorError): HttpAnswer => {
  const status = toStatus(error)
  return json(status.code, status, { ...failureHeaders(error), 'x-content-type-options': 'nosniff' })
}
