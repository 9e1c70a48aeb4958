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
  /** Time until the answer's head is there, ms; 0: no limit but the request's own. */
  readonly timeoutMs: number
  /** Time to connect, ms. */
  readonly dialTimeoutMs: number
  readonly tlsHandshakeTimeoutMs: number
  /** How long a connection is kept without a request, ms. */
  readonly idleTimeoutMs: number
  /** Connections kept without a request, at most. */
  readonly maxIdle: number
}

/** A request to what stands behind a proxied path. */
export interface ForwardRequest {
  readonly method: string
  /** Absolute, and sent just so. Shape: `https://prometheus:9090/base/api/v1/query?query=up`; no user, no fragment. */
  readonly url: string
  /** These go out, and beside them only Host, Connection, Content-Length or Transfer-Encoding. */
  readonly headers: HeaderMap
  /** A stream is taken as the other side reads it; left out: no body. */
  readonly body: ByteStream | Uint8Array | undefined
  readonly transport: ForwardTransport
}

/** Its answer, whatever the status: redirects are not followed. */
export interface ForwardAnswer {
  readonly status: number
  /** Lower-case; those of the connection are left out. */
  readonly headers: HeaderMap
  /** Leaving the loop, or never beginning it and aborting the signal, closes the connection. A Left: it broke off. */
  readonly body: ByteStream
}

/**
 * Sends a request on, one hop. Fails with BadGateway (no connection, a broken answer, TLS), GatewayTimeout, Forbidden (an address
 * that no request may go to), Cancelled, and with what `body` fails with. The signal ends it, also while its body is read.
 */
export type Forward = (request: ForwardRequest, options: { readonly signal: AbortSignal }) => Result<ForwardAnswer>

/** What sends requests on, and the connections that it keeps. */
export interface Forwarder {
  readonly forward: Forward
  /** Resolves when every connection is closed. */
  readonly close: () => Promise<void>
}
