import { Gauge } from 'prom-client'

import type { Staleness } from '../source.ts'
import type { MetricsRegistry } from './registry.ts'

const name = 'dataplane_aggregator_source_age_seconds'
const help =
  'Time since the source last heard of where its objects are kept; of several, the longest. NaN: it never has.'

/** The sources of the aggregators that share a gauge. */
const sourcesOf = new WeakMap<object, Set<() => Staleness>>()

const secondsOf = ({ ageMs }: Staleness): number => (ageMs === undefined ? NaN : ageMs / 1000)

const createGauge = (registry: MetricsRegistry, sources: ReadonlySet<() => Staleness>): void => {
  const gauge = new Gauge({
    name,
    help,
    registers: [registry],
    collect: () => {
      gauge.remove()
      // of NaN and a number Math.max gives NaN
      if (sources.size > 0) gauge.set(Math.max(...[...sources].map((staleness) => secondsOf(staleness()))))
    },
  })
}

/** Shows in a registry of the host how far behind its sources may be, at the time of each scrape. Gives back what ends it. */
export const sourceMetrics = (registry: MetricsRegistry, staleness: () => Staleness): (() => void) => {
  const sources = sourcesOf.get(registry) ?? new Set()
  sourcesOf.set(registry, sources)
  if (registry.getSingleMetric(name) === undefined) createGauge(registry, sources)
  sources.add(staleness)
  return () => {
    sources.delete(staleness)
  }
}
