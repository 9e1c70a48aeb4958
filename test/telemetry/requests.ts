import type { ServiceType } from '../../src/api/dataplane-service.ts'
import { E, TE } from '../../src/fp.ts'
import type { HttpRequest } from '../../src/http.ts'
import type { Outcome } from '../../src/telemetry.ts'
import type { CallEnv, Handle } from '../../src/service.ts'

export const requestOf = (given: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'POST',
  path: '/apis/prometheus.grafana.app/v0alpha1/namespaces/default/connections/p1/query',
  params: { namespace: 'default', uid: 'p1' },
  tail: '',
  query: '',
  headers: {},
  user: undefined,
  receivedAtMs: 0,
  over: Promise.resolve(undefined),
  readJson: TE.left({ _tag: 'BadRequest', message: 'nobody reads the body here' }),
  readBytes: TE.left({ _tag: 'BadRequest', message: 'nobody reads the body here' }),
  streamBody: () => undefined,
  ...given,
})

/** What most requests have no use for. */
export const surroundings: Pick<CallEnv, 'forward' | 'streams' | 'forwardedHeaders'> = {
  forward: () => TE.left({ _tag: 'BadGateway', message: 'nothing stands behind this' }),
  streams: {
    join: async function* () {
      yield await Promise.resolve(
        E.left({ _tag: 'PluginUnavailable', message: 'no streams here', retryAfterSeconds: 1 }),
      )
    },
    publish: () => undefined,
    close: () => Promise.resolve(),
  },
  forwardedHeaders: [],
}

export const envOf = (given: Partial<CallEnv> & { readonly name?: string; readonly handle?: Handle } = {}): CallEnv => {
  const { name = 'prometheus', handle = () => TE.left({ _tag: 'Cancelled' }), ...rest } = given
  const type: ServiceType = 'query'
  return {
    service: {
      apiVersion: 'aggregation.grafana.app/v0alpha1',
      kind: 'DataPlaneService',
      metadata: { name },
      spec: {
        pluginID: 'prometheus-plugin',
        pluginType: 'datasource',
        group: 'prometheus.grafana.app',
        version: 'v0alpha1',
        services: [{ type }],
      },
    },
    type,
    route: { method: 'POST', path: '/namespaces/{namespace}/connections/{uid}/query', handle },
    plugins: { plugin: () => undefined, close: () => Promise.resolve() },
    contexts: { getInstanceSettings: () => TE.left({ _tag: 'NotFound', message: 'no instance here' }) },
    userAgent: 'Grafana/12.4.0 (linux; amd64)',
    ...surroundings,
    mayAccess: () => TE.right(undefined),
    signal: new AbortController().signal,
    timeoutMs: 1000,
    ...rest,
  }
}

export const served: Outcome = { code: 200, durationMs: 30, error: undefined }
export const cancelled: Outcome = { code: 499, durationMs: 30, error: { _tag: 'Cancelled' } }
