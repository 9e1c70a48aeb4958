/**
 * JSON Schema as Kubernetes takes it in a CustomResourceDefinition ("structural"), and gives it in OpenAPI v3. Source:
 * JSONSchemaProps of apiextensions.k8s.io/v1.
 */
export interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  readonly description?: string
  readonly format?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema
  readonly items?: Schema
  readonly required?: ReadonlyArray<string>
  readonly enum?: ReadonlyArray<string>
  readonly default?: unknown
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maxItems?: number
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  readonly 'x-kubernetes-list-map-keys'?: ReadonlyArray<string>
}

const services: Schema = {
  type: 'array',
  description: 'What the plugin offers under group and version.',
  maxItems: 256,
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['type', 'method', 'path'],
  items: {
    type: 'object',
    required: ['type'],
    properties: {
      type: {
        type: 'string',
        description: 'admission, conversion, query, stream, route, datasource-proxy, settings, health or metrics.',
        enum: [
          'admission',
          'conversion',
          'query',
          'stream',
          'route',
          'datasource-proxy',
          'datsource-proxy',
          'settings',
          'health',
          'metrics',
        ],
      },
      method: {
        type: 'string',
        description: 'HTTP method in upper case. Empty: any method of a route, the usual ones of all other types.',
        default: '',
      },
      path: {
        type: 'string',
        description:
          'Path of a route, below the namespace: /reports/{id}/export, /files/*. Empty: the resources of the plugin.',
        default: '',
        maxLength: 1024,
      },
    },
  },
}

const spec: Schema = {
  type: 'object',
  description: 'What is claimed, and who answers it.',
  required: ['pluginID', 'pluginType', 'group', 'version', 'services'],
  properties: {
    pluginID: { type: 'string', description: 'Id of the plugin, as in its plugin.json.', minLength: 1, maxLength: 128 },
    pluginType: { type: 'string', description: 'app or datasource.', enum: ['app', 'datasource'] },
    group: {
      type: 'string',
      description: 'API group whose paths are claimed: prometheus.grafana.app.',
      minLength: 1,
      maxLength: 253,
    },
    version: { type: 'string', description: 'Version of the group: v0alpha1.', minLength: 1, maxLength: 63 },
    services,
    backend: {
      type: 'object',
      description: 'An HTTP server that answers in the stead of the plugin.',
      required: ['type', 'baseURL'],
      properties: {
        type: { type: 'string', description: 'http.', enum: ['http'] },
        baseURL: { type: 'string', description: 'https://reports.example.com:8443/base', maxLength: 2048 },
        caBundle: { type: 'string', description: 'Certificates in PEM, in base64. Empty: those of the system.' },
      },
    },
  },
}

const status: Schema = {
  type: 'object',
  description: 'What became of it.',
  properties: {
    conditions: {
      type: 'array',
      description: 'Accepted: the object is valid, and all its claims stand. Available: who answers it can be asked.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: {
        type: 'object',
        required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
        properties: {
          type: { type: 'string', description: 'Accepted or Available.', maxLength: 316 },
          status: { type: 'string', description: 'True, False or Unknown.', enum: ['True', 'False', 'Unknown'] },
          observedGeneration: {
            type: 'integer',
            format: 'int64',
            description: 'The generation of the object that it speaks of.',
            minimum: 0,
          },
          lastTransitionTime: { type: 'string', format: 'date-time', description: 'When status changed last.' },
          reason: { type: 'string', description: 'One word for machines.', maxLength: 1024 },
          message: { type: 'string', description: 'A sentence for people.', maxLength: 32768 },
        },
      },
    },
  },
}

/** A DataPlaneService. The one schema of validation, server-side apply, OpenAPI and `examples/kubernetes/crd.yml`. */
export const dataPlaneServiceSchema: Schema = {
  type: 'object',
  description: 'Claims data plane paths of an API group for a Grafana plugin.',
  required: ['spec'],
  properties: {
    apiVersion: { type: 'string', description: 'Version of this schema: aggregation.grafana.app/v0alpha1.' },
    kind: { type: 'string', description: 'DataPlaneService.' },
    // nothing but the type: an apiserver refuses a CustomResourceDefinition that says more, even a description
    metadata: { type: 'object' },
    spec,
    status,
  },
}
