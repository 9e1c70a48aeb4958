import type { Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import { bytes, type HeaderMap } from '../http.ts'
import type { CollectMetricsResponse, PluginContext } from '../plugin.ts'
import { toHandle, unread, type PluginEnv, type ServiceDefinition } from '../service.ts'

/** What a scraper needs to read it: Prometheus 3 refuses a target that does not say its format. */
const headers: HeaderMap = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }

/** The plugin's own numbers concern no instance, no user, no namespace. Source: plugin_metrics of Grafana. */
const contextOf = (pluginId: string): PluginContext => ({
  orgId: 0,
  pluginId,
  grafanaConfig: {},
  pluginVersion: '',
  userAgent: '',
  apiVersion: '',
  namespace: '',
})

const callMetrics = (_call: undefined, env: PluginEnv): Result<CollectMetricsResponse> =>
  pipe(
    env.plugin.client.collectMetrics({ pluginContext: contextOf(env.plugin.id) }, env),
    TE.orElse((error) =>
      error._tag === 'NotImplemented' ? TE.right({ prometheus: new Uint8Array() }) : TE.left(error),
    ),
  )

const handle = toHandle({
  read: unread,
  decode: () => E.right(undefined),
  call: callMetrics,
  encode: ({ prometheus }) => E.right(bytes(200, headers, [prometheus])),
})

/** A plugin's metrics: `GET /plugins/{pluginID}/metrics` becomes CollectMetrics. The id is the text of the path: no other plugin is claimed. */
export const metrics: ServiceDefinition = {
  type: 'metrics',
  routes: (_entry, { spec }) => [{ method: 'GET', path: `/plugins/${spec.pluginID}/metrics`, handle }],
}
