import type { User } from './http.ts'

/**
 * What a request wants, in the words of Kubernetes RBAC. Shape for `POST /apis/p.grafana.app/v1/namespaces/default/datasources/p1/query`:
 * `{ verb: 'create', group: 'p.grafana.app', version: 'v1', namespace: 'default', resource: 'datasources', name: 'p1', subresource: 'query' }`.
 * Source: RequestInfo of the Kubernetes apiserver.
 */
export interface RequestAttributes {
  readonly user: User | undefined
  readonly verb: string
  readonly group: string
  readonly version: string
  readonly namespace: string
  readonly resource: string
  readonly name: string
  readonly subresource: string
  readonly path: string
  /** Set when a route of plugin.json asks for more than the request itself: asked a second time, with what it asks for. */
  readonly access?: RouteAccess
}

/** What a route of plugin.json asks of the user. Shape: `{ reqAction: 'alert.rules.external:write' }`, `{ reqRole: 'Admin' }`. */
export interface RouteAccess {
  readonly reqAction?: string
  readonly reqRole?: string
}

export type Decision = boolean | { readonly allowed: boolean; readonly reason?: string }

/** Says whether a request may be served; a throw or rejection refuses it with 500. */
export type Authorize = (attributes: RequestAttributes) => Decision | Promise<Decision>
