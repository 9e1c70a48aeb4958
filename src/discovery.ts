/**
 * One thing that can be asked for below a group and version, in the words of Kubernetes' discovery. Shape for
 * `POST /namespaces/{namespace}/datasources/{uid}/query`: `{ resource: 'datasources', subresource: 'query', namespaced: true, verbs: ['create'] }`.
 */
export interface ClaimedResource {
  readonly resource: string
  /** Of an instance of the resource; `undefined`: the resource itself. */
  readonly subresource: string | undefined
  readonly namespaced: boolean
  /** In the order of Kubernetes: create, delete, get, patch, update. Never list or watch: nothing here answers with lists of objects. */
  readonly verbs: ReadonlyArray<string>
}

/** One route that is claimed, for documents about it. */
export interface ClaimedRoute {
  /** Upper-case HTTP method, or `*`. */
  readonly method: string
  /** Template below `/apis/{group}/{version}`. Shape: `/namespaces/{namespace}/datasources/{uid}/query`, `/files/*`. */
  readonly path: string
  /** Service type. */
  readonly type: string
  readonly pluginID: string
}

/** All that is claimed below one group and version. */
export interface ClaimedGroupVersion {
  readonly group: string
  readonly version: string
  readonly resources: ReadonlyArray<ClaimedResource>
  readonly routes: ReadonlyArray<ClaimedRoute>
}

/** In the order of groups, then of versions as Kubernetes prefers them: v1 before v1beta1 before v1alpha1. The same until a claim changes. */
export type ClaimedApis = ReadonlyArray<ClaimedGroupVersion>
