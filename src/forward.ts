import type { ByteStream, HeaderMap } from './http.ts'
import type { Result } from './errors.ts'

/** How one datasource is reached. Source: http_settings.go of the plugin SDK; its defaults are filled in. */
export interface ForwardTransport {
  /** One pool of kept connections each; a request with other `settings` for the same owner retires the owner's old pool. */
  readonly pool: {
    /** Shape: `default/prometheus/p1`: namespace, plugin, uid. */
    readonly owner: string
    /** A hash of all settings and secrets that connections depend on. */
    readonly settings: string
  }
  /** PEM. Certificates are checked against `ca`, or the system's, unless `skipVerify` says not to. */
  readonly tls: {
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    readonly serverName?: string
    readonly skipVerify: boolean
  }
  /** Time until the answer's head is there, ms; 0: no limit but the request's own. The longest that a timer takes is 2147483647. */
  readonly timeoutMs: number
  /** Time to look up the name and connect, ms; 0: no limit. */
  readonly dialTimeoutMs: number
  /** The same for TLS, from then on. */
  readonly tlsHandshakeTimeoutMs: number
  /** How long a connection is kept without a request, ms; less where the server says so. 0: no limit. */
  readonly idleTimeoutMs: number
  /** Connections to one host kept without a request, at most; 0: none. */
  readonly maxIdle: number
}

/** A request to what stands behind a proxied path. */
export interface ForwardRequest {
  /** Not CONNECT or TRACE. */
  readonly method: string
  /** Absolute, printable ASCII; its path and query are sent just so. Shape: `https://prometheus:9090/base/api/v1/query?query=up`; no user, no fragment. */
  readonly url: string
  /**
   * These go out, but for those of the connection, Host and Expect; beside them only Host, Connection, Content-Length or
   * Transfer-Encoding. A stream goes out with the `content-length` that is given here, or chunked.
   */
  readonly headers: HeaderMap
  /** A stream is taken as the other side reads it, and let go of once the answer is whole; left out: no body. Bytes may be sent twice. */
  readonly body: ByteStream | Uint8Array | undefined
  readonly transport: ForwardTransport
}

/** Its answer, whatever the status: redirects are not followed. */
export interface ForwardAnswer {
  readonly status: number
  /** Lower-case, repeated ones as lists; those of the connection are left out. Nothing is decompressed: Content-Length is as it came. */
  readonly headers: HeaderMap
  /** Leaving the loop, also by `return` before it has begun, and aborting the signal close the connection. A Left: it broke off. */
  readonly body: ByteStream
}

/**
 * Sends a request on, one hop. Fails with BadGateway (no connection, a broken answer, TLS and its settings), GatewayTimeout, Forbidden
 * (an address or a host that no request may go to), MethodNotAllowed, BadRequest (a body of another length than it says),
 * PluginUnavailable (closed), Cancelled, and with what `body` fails with. The signal ends it, also while its body is read. A
 * kept connection that the server closed meanwhile costs GET, HEAD, OPTIONS, PUT and DELETE without a stream a second try, over a
 * new one; all others a BadGateway: nobody knows whether they have come.
 */
export type Forward = (request: ForwardRequest, options: { readonly signal: AbortSignal }) => Result<ForwardAnswer>

/** What sends requests on, and the connections that it keeps. */
export interface Forwarder {
  readonly forward: Forward
  /** Resolves when every connection is closed. */
  readonly close: () => Promise<void>
}
