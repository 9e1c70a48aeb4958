import { Histogram } from 'prom-client'

import type { Observer } from '../telemetry.ts'
import { errorSourceOf } from './error-source.ts'
import { isKnownMethod } from './http-method.ts'
import { counterIn, gaugeIn, type MetricsRegistry } from './registry.ts'

/** Seconds. Source: apiserver_request_duration_seconds of the Kubernetes apiserver, so its panels and thresholds carry over. */
const buckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]

const durationIn = (registry: MetricsRegistry): Histogram<'dataplaneservice' | 'type'> => {
  const name = 'dataplane_aggregator_request_duration_seconds'
  const known = registry.getSingleMetric<'dataplaneservice' | 'type'>(name)
  if (known instanceof Histogram) return known
  const help = 'Time from the claim of a request to its answer, in seconds.'
  return new Histogram({ name, help, labelNames: ['dataplaneservice', 'type'], buckets, registers: [registry] })
}

/**
 * Counts and times claimed requests in a registry of the host; aggregators may share one. Throws when a metric of another kind
 * already has one of the names.
 *
 * A label's values come from the operator's objects (`dataplaneservice`, `type`) or from short lists (`method`, else `other`;
 * `code`; `reason`, the tag of the error; `error_source`), so no client can add series: no path, uid, namespace, user. The
 * duration has neither method nor code, since each value would add 26 series more.
 */
export const requestMetrics = (registry: MetricsRegistry): Observer => {
  const requests = counterIn(
    registry,
    'dataplane_aggregator_requests_total',
    'Claimed requests that ended, by HTTP code; 499: the client left before the answer.',
    ['dataplaneservice', 'type', 'method', 'code'],
  )
  const errors = counterIn(
    registry,
    'dataplane_aggregator_request_errors_total',
    'Claimed requests that failed, by reason and by whom to ask: plugin, downstream, aggregator or client.',
    ['dataplaneservice', 'type', 'reason', 'error_source'],
  )
  const duration = durationIn(registry)
  const inFlight = gaugeIn(registry, 'dataplane_aggregator_requests_in_flight', 'Claimed requests under way.', ['type'])

  return ({ method }, { service, type }) => {
    const labels = { dataplaneservice: service.metadata.name, type }
    inFlight.inc({ type })
    return {
      ended: ({ code, durationMs, error, errorSource }) => {
        inFlight.dec({ type })
        requests.inc({ ...labels, method: isKnownMethod(method) ? method : 'other', code })
        duration.observe(labels, durationMs / 1000)
        const source = error === undefined ? errorSource : errorSourceOf(error)
        if (source !== undefined) errors.inc({ ...labels, reason: error?._tag ?? 'PluginFailed', error_source: source })
      },
    }
  }
}
