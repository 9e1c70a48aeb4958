import type { Clock } from './clock.ts'
import type { TE } from './fp.ts'
import type { Logger } from './logger.ts'

/** Of any kind, as an apiserver gives it. */
export interface KubernetesObject {
  readonly metadata: {
    readonly name: string
    /** Left out of what lies in no namespace. */
    readonly namespace?: string
    readonly uid?: string
    readonly resourceVersion?: string
    readonly [field: string]: unknown
  }
  readonly [field: string]: unknown
}

/** Why an apiserver gave nothing. Messages name no credential. */
export type KubernetesFailure =
  /** No answer in HTTP, or none in time: refused, reset, TLS, a proxy, credentials that cannot be read. */
  | { readonly _tag: 'Unreachable'; readonly message: string; readonly cause?: unknown }
  /** An answer that is no JSON, larger than any should be, or of another shape. */
  | { readonly _tag: 'Garbled'; readonly message: string }
  /** What it said instead: the code, and of its Status the reason (empty: it gave none) and the message. */
  | {
      readonly _tag: 'Refused'
      readonly code: number
      readonly reason: string
      readonly message: string
      readonly retryAfterMs?: number
    }
  /** Whoever asked has left, or the connection is closed. */
  | { readonly _tag: 'Cancelled' }

export type KubernetesResult<A> = TE.TaskEither<KubernetesFailure, A>

/** One request with a whole answer. */
export interface KubernetesCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Shape: `/api/v1/namespaces/default/secrets/a`, each segment encoded. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** Written as JSON. */
  readonly body?: unknown
  /** Default: `application/json`. */
  readonly contentType?: string
  /** Time for it all, the waits of Retry-After included, ms. Default 30000. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** What is followed: all objects of one kind, or those that selectors leave. */
export interface Collection {
  /** Shape: `/apis/aggregation.grafana.app/v0alpha1/dataplaneservices`, `/api/v1/namespaces/default/secrets`. */
  readonly path: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

/** What became of one object. */
export interface ObjectChange {
  /** Shape: `default/a`; `a` for what lies in no namespace. */
  readonly key: string
  /** `undefined`: it is gone. An object of the same key that comes after it is another one. */
  readonly object: KubernetesObject | undefined
}

/** Told of a collection; nothing before `follow` has returned, and nothing after `close` was called. */
export interface Follower {
  /**
   * The first time: all that there is, maybe nothing. Then what has changed since, in order; never empty, and an object that is what it
   * was (same uid and resourceVersion) is not in it.
   */
  readonly changed: (changes: ReadonlyArray<ObjectChange>) => void
  /** Contact is lost, or was never made, and why: once, until `recovered`, or until the reason is another. */
  readonly failed: (failure: KubernetesFailure) => void
  /** Contact is there again, and `changed` has been told of all that was missed. */
  readonly recovered: () => void
}

export interface Following {
  /** When the apiserver was last heard of, ms since the epoch: a list, an event, a bookmark, a watch that opened. `undefined`: never. */
  readonly lastHeardMs: () => number | undefined
  /** Resolves when nothing is open. */
  readonly close: () => Promise<void>
}

/** Who of several replicas does what only one may do. Source: leaderelection of client-go, coordination.k8s.io/v1 Lease. */
export interface ElectionOptions {
  readonly namespace: string
  /** Of the Lease. */
  readonly name: string
  /** Of this replica: no other may have it. Shape: `host-1_5b0c…`. */
  readonly identity: string
  /** Told when this replica becomes the leader, and when it is none any more. */
  readonly onChange: (isLeader: boolean) => void
}

export interface Election {
  readonly isLeader: () => boolean
  /** Gives the Lease back, so that another replica need not wait; resolves when nothing is open, at the latest after some seconds. */
  readonly close: () => Promise<void>
}

/** One user's way to an apiserver: sockets, credentials, what is known of both. */
export interface KubernetesConnection {
  /** For logs. Shape: `https://10.0.0.1:6443`, without what logs in. */
  readonly origin: string
  /** Where things belong whose namespace nobody names: of the kubeconfig's context, or the service account's; else `default`. */
  readonly namespace: string
  /**
   * Gives the JSON of a 2xx answer. Waits and asks again as Retry-After says; asks once more with fresh credentials after a 401. Never
   * rejects, fails as KubernetesFailure says.
   */
  readonly call: (call: KubernetesCall) => KubernetesResult<unknown>
  /** Follows a collection until `close`, whatever happens to the apiserver. Source: Reflector of client-go. */
  readonly follow: (collection: Collection, follower: Follower) => Following
  readonly elect: (options: ElectionOptions) => Election
  /** Ends what is still under way; resolves when no socket, timer or process is left. */
  readonly close: () => Promise<void>
}

export interface ConnectOptions {
  readonly logger?: Logger
  readonly clock?: Clock
}

/**
 * How to reach an apiserver of the Kubernetes kind, and as whom: a cluster's, Grafana's, kcp's, another of ours. A value: nothing is
 * opened before `connect`, and each connection is its user's own.
 */
export interface KubernetesApi {
  readonly connect: (options?: ConnectOptions) => KubernetesConnection
}

/** Throws a TypeError unless it is one: the path of a kubeconfig or a URL is none. */
export const checkKubernetesApi = (api: unknown): void => {
  if (typeof api === 'object' && api !== null && typeof Reflect.get(api, 'connect') === 'function') return
  throw new TypeError(`expected a KubernetesApi such as kubeconfig(), inCluster() or apiServer(url), got ${typeof api}`)
}
