import test from 'ava'
import { Registry } from 'prom-client'

import type { Staleness } from '../../src/source.ts'
import { sourceMetrics } from '../../src/telemetry/source-metrics.ts'

const name = 'dataplane_aggregator_source_age_seconds'

const seriesIn = async (registry: Registry): Promise<ReadonlyArray<string>> =>
  (await registry.metrics()).split('\n').filter((line) => line.startsWith(name))

test('shows how old the state of a source is at each scrape', async (t) => {
  const registry = new Registry()
  let age: Staleness = { ageMs: undefined, isStale: false }
  const end = sourceMetrics(registry, () => age)
  t.deepEqual(await seriesIn(registry), [`${name} Nan`])
  age = { ageMs: 1500, isStale: false }
  t.deepEqual(await seriesIn(registry), [`${name} 1.5`])
  end()
  t.deepEqual(await seriesIn(registry), [])
})

test('shows the oldest of several sources in one registry, and goes on after one has ended', async (t) => {
  const registry = new Registry()
  const first = sourceMetrics(registry, () => ({ ageMs: 5000, isStale: false }))
  const second = sourceMetrics(registry, () => ({ ageMs: 9000, isStale: true }))
  t.deepEqual(await seriesIn(registry), [`${name} 9`])
  second()
  t.deepEqual(await seriesIn(registry), [`${name} 5`])
  first()
  sourceMetrics(registry, () => ({ ageMs: 1000, isStale: false }))
  t.deepEqual(await seriesIn(registry), [`${name} 1`])
})

test('comes back into a registry that was cleared', async (t) => {
  const registry = new Registry()
  sourceMetrics(registry, () => ({ ageMs: 1000, isStale: false }))
  registry.clear()
  sourceMetrics(registry, () => ({ ageMs: 2000, isStale: false }))
  t.deepEqual(await seriesIn(registry), [`${name} 2`])
})
