import * as t from 'io-ts'

import { arrayAtMost } from './codecs.ts'

/** Group of the objects that tell what to route. */
export const group = 'aggregation.grafana.app'
export const version = 'v0alpha1'
export const apiVersion = `${group}/${version}`
export const kind = 'DataPlaneService'
export const listKind = 'DataPlaneServiceList'
export const resource = 'dataplaneservices'
export const singular = 'dataplaneservice'
export const shortNames = ['dps'] as const
export const categories = ['dataplane'] as const

/** All service types, in the order of Grafana's types.go; then what its other APIs have beside them. */
export const serviceTypes = [
  'admission',
  'conversion',
  'query',
  'stream',
  'route',
  'datasource-proxy',
  'settings',
  'health',
  'metrics',
] as const
export type ServiceType = (typeof serviceTypes)[number]

export const pluginTypes = ['app', 'datasource'] as const
export type PluginType = (typeof pluginTypes)[number]

const text = t.string
const texts = t.record(t.string, t.string, 'a map of strings')

/**
 * The object as anybody may write it: the right types in the right places, no rule checked yet (`parseDataPlaneService`).
 * Unknown fields pass through. Source: apis/aggregation/v0alpha1/types.go.
 */
export const DataPlaneServiceShape = t.type({
  apiVersion: text,
  kind: text,
  metadata: t.intersection([
    t.type({ name: text }),
    t.partial({
      creationTimestamp: t.union([text, t.null], 'a time or null'),
      uid: text,
      resourceVersion: text,
      generation: t.number,
      labels: texts,
      annotations: texts,
    }),
  ]),
  spec: t.intersection([
    t.type({
      pluginID: text,
      pluginType: text,
      group: text,
      version: text,
      services: arrayAtMost(
        256,
        'services',
        t.intersection([t.type({ type: text }), t.partial({ method: text, path: text })]),
      ),
    }),
    t.partial({
      backend: t.intersection([t.type({ type: text, baseURL: text }), t.partial({ caBundle: text })]),
    }),
  ]),
})
export type DataPlaneServiceShape = t.TypeOf<typeof DataPlaneServiceShape>

/**
 * One thing that a plugin offers under the object's group and version. Identity is (type, method, path), so several `route`
 * entries are legal; upstream's list, keyed by type alone, could hold one.
 */
export interface Service {
  readonly type: ServiceType
  /** Upper-case; absent: any method for `route`, the type's own for the rest. */
  readonly method?: string
  /** Template of a custom route. Shape: `/reports/{id}/export`, `/files/*`. */
  readonly path?: string
}

/**
 * An HTTP server that answers in the plugin's stead: every claimed request goes there as it came, path and query unchanged behind
 * those of `baseURL`, with the user in front-proxy headers. Source: the alternate backend of upstream's PoC, with TLS verified.
 */
export interface Backend {
  readonly type: 'http'
  /** Shape: `https://reports.example.com:8443/base`. */
  readonly baseURL: string
  /** Certificates in PEM, in base64, as in Kubernetes' webhooks. Default: the system's. */
  readonly caBundle?: string
}

/** A valid object: what `parseDataPlaneService` lets through. */
export interface DataPlaneService {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Readonly<DataPlaneServiceShape['metadata']>
  readonly spec: {
    readonly pluginID: string
    readonly pluginType: PluginType
    /** With `version`, the URL space that is claimed: `/apis/{group}/{version}`. */
    readonly group: string
    readonly version: string
    readonly services: ReadonlyArray<Service>
    readonly backend?: Backend
  }
}

/** Our own faces: the REST API of the objects, and the documents that tell which APIs there are. */
export type OwnType = 'registry' | 'discovery'

/** Stands for ourselves where a request is told by the object that claims it. Source: the APIService objects of local groups. */
export const ownService: DataPlaneService = {
  apiVersion,
  kind,
  metadata: { name: `${version}.${group}` },
  spec: { pluginID: '', pluginType: 'app', group, version, services: [] },
}
