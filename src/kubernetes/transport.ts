import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

import type { KubernetesCall, KubernetesResult } from '../kubernetes.ts'

export interface OpenRequest {
  readonly method: KubernetesCall['method']
  /** Shape: `/api/v1/namespaces/default/secrets/a`, each segment encoded; below the base path of the server, if it has one. */
  readonly path: string
  readonly query?: URLSearchParams
  readonly body?: string
  /** Of the body. Default: `application/json`. */
  readonly contentType?: string
  /** Ends all: the way there, and the body of the answer. */
  readonly signal: AbortSignal
  /** Time for it all up to the headers of the answer, ms: credentials, a free connection, a second try after a 401. */
  readonly headersTimeoutMs: number
  /** For answers that go on: a connection of its own, closed with the body. */
  readonly isStreamed?: boolean
}

/** An answer whose body has yet to come, whatever its status. */
export interface Opened {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /**
   * Read it to the end, or destroy it: until then it holds a connection. Destroyed by the signal of the request and by the transport's
   * close; an error nobody listens to is no error.
   */
  readonly body: IncomingMessage
}

/** Requests to one apiserver as one user: connections, TLS, a proxy and credentials lie within. */
export interface Transport {
  /** Shape: `https://10.0.0.1:6443`. */
  readonly origin: string
  readonly namespace: string
  /** Never rejects. Fails with Unreachable, and with Cancelled when the signal is aborted or the transport closed. */
  readonly open: (request: OpenRequest) => KubernetesResult<Opened>
  /** Ends what is under way; resolves when no socket and no process is left. */
  readonly close: () => Promise<void>
}
