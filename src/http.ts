import { toStatus, type AggregatorError, type ErrorSource, type Result } from './errors.ts'
import type { E } from './fp.ts'

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

/** Bytes in order, as they are taken: what nobody takes is not read. A Left is the last one, and tells why the rest is missing. */
export type ByteStream = AsyncIterable<E.Either<AggregatorError, Uint8Array>>

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

/** What the handler mounted after us would have answered. */
export interface NextAnswer {
  readonly status: number
  readonly headers: HeaderMap
  readonly body: Uint8Array
}

/**
 * Asks the handler mounted after us, and keeps its answer from the client. `headers` stand in the client's place; one that is
 * `undefined` is left out. Resolves with `undefined` when it gives no answer in time, breaks off, or says more than anybody would.
 */
export type AskNext = (headers: HeaderMap, timeoutMs: number) => Promise<NextAnswer | undefined>

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
  /**
   * Resolves when the answer is out or the client is gone, with what kept it from being whole; until then the request occupies
   * its place.
   */
  readonly over: Promise<AggregatorError | undefined>
  /** Says who asks, where that has to be found out first. Left out: `user` says it. Fails with Unexpected. */
  readonly authenticate?: Result<User | undefined>
  /** Left out where nobody comes after us. Run it once. */
  readonly askNext?: AskNext
  /** Set when the client asks to go on as a WebSocket: each chunk of a Stream is then one message. */
  readonly upgrade?: 'websocket'
  /** These read the body when they are run, not before; run one of them, once. They fail with BadRequest, BodyTooLarge, Cancelled. */
  readonly readJson: Result<JsonBody>
  /** As it came, compressed if it came so; empty when there is none. */
  readonly readBytes: Result<Uint8Array>
  /** Piece by piece, no more than the limit. `undefined`: there is none. */
  readonly streamBody: () => ByteStream | undefined
}

/** What a door knows of a request by itself; the table knows the rest. */
export type Arrival = Omit<HttpRequest, 'path' | 'params' | 'tail' | 'query'>

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
  | StreamAnswer

/** An answer that goes out as it comes. The door ends the iteration when the client leaves. */
export interface StreamAnswer {
  readonly _tag: 'Stream'
  readonly status: number
  readonly headers: HeaderMap
  /** Each chunk is flushed. */
  readonly chunks: ByteStream
  /** What a failure reads like within the stream, which then ends in order. Left out: the connection is cut, so that no client takes a part for the whole. */
  readonly farewell?: (error: AggregatorError) => Uint8Array
  /** Sent whenever there was nothing else to send for a while, so that nobody on the way takes the connection for dead. */
  readonly heartbeat?: Uint8Array
  /** Only its reader or this server end it: that its time is over is no failure, and a shutdown does not wait for it. */
  readonly isEndless?: boolean
  /** Asked when it has ended: who a failure is laid at that the stream itself told of (of a refId), if any. */
  readonly errorSource?: () => ErrorSource | undefined
  /** Aborted when its time is over, with an AggregatorError as the reason. Set by the deadline. */
  readonly until?: AbortSignal
}

export const json = (status: number, value: unknown, headers: HeaderMap = {}): HttpAnswer => ({
  _tag: 'Json',
  status,
  headers,
  value,
})

/** Everything but the headers and the chunks may be left out. */
export const stream = (
  status: number,
  headers: HeaderMap,
  chunks: ByteStream,
  given: Pick<StreamAnswer, 'farewell' | 'heartbeat' | 'isEndless' | 'errorSource'> = {},
): StreamAnswer => ({ ...given, _tag: 'Stream', status, headers, chunks })

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
  if (error._tag === 'TooManyRequests' || error._tag === 'PluginUnavailable' || error._tag === 'NotYet') {
    return { 'retry-after': String(error.retryAfterSeconds) }
  }
  return {}
}

/** What a client reads of an error: a Kubernetes Status, with the headers that belong to its code. No script of anybody's runs in it. */
export const failure = (error: AggregatorError): HttpAnswer => {
  const status = toStatus(error)
  return json(status.code, status, {
    ...failureHeaders(error),
    'content-security-policy': 'sandbox',
    'x-content-type-options': 'nosniff',
  })
}
