import test from 'ava'
import { Registry } from 'prom-client'

import type { PluginHost } from '../../src/plugin.ts'
import type { PluginState, PluginStatus, PluginWatcher } from '../../src/plugin-status.ts'
import { pluginMetrics } from '../../src/telemetry/plugin-metrics.ts'

const statusOf = (state: PluginState, startCount = 1): PluginStatus => ({
  id: 'testds',
  version: '1.0.0',
  state,
  sinceMs: 0,
  startCount,
  inFlight: 0,
  queued: 0,
})

/** A host with one plugin, which goes from state to state as it is told to. */
const scriptedHost = (first: PluginStatus) => {
  const watchers = new Set<PluginWatcher>()
  let current = first
  const host: PluginHost = {
    plugin: () => undefined,
    statuses: () => [current],
    watch: (watcher) => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    close: () => Promise.resolve(),
  }
  const go = (...states: ReadonlyArray<PluginState>): void => {
    for (const state of states) {
      const from = current.state
      current = statusOf(state, current.startCount + (state === 'starting' || state === from ? 1 : 0))
      for (const watch of watchers) watch({ from, to: current })
    }
  }
  return { host, go, watchers }
}

const seriesOf = async (registry: Registry): Promise<ReadonlyArray<string>> =>
  (await registry.metrics())
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.replace('dataplane_aggregator_', ''))

test('shows a plugin that fell over, and one that came back', async (t) => {
  const registry = new Registry()
  const { host, go } = scriptedHost(statusOf('ready'))
  pluginMetrics(registry, host)
  go('crashed')
  t.deepEqual(await seriesOf(registry), [
    'unavailable_plugin{plugin="testds"} 1',
    'unavailable_plugin_total{plugin="testds",reason="crashed"} 1',
    'plugin_starts_total{plugin="testds"} 1',
  ])
  go('starting', 'ready')
  t.deepEqual(await seriesOf(registry), [
    'unavailable_plugin{plugin="testds"} 0',
    'unavailable_plugin_total{plugin="testds",reason="crashed"} 1',
    'plugin_starts_total{plugin="testds"} 2',
  ])
})

test('shows a plugin that starts and starts, and counts no fall of one that never stood', async (t) => {
  const registry = new Registry()
  const { host, go } = scriptedHost(statusOf('idle', 0))
  pluginMetrics(registry, host)
  go('starting')
  t.true((await seriesOf(registry)).includes('unavailable_plugin{plugin="testds"} 1'))
  go('crashed', 'starting', 'crash-looping')
  t.false((await seriesOf(registry)).some((line) => line.startsWith('unavailable_plugin_total')))
})

test('counts a plugin that goes from bad to worse once', async (t) => {
  const registry = new Registry()
  const { host, go } = scriptedHost(statusOf('ready'))
  pluginMetrics(registry, host)
  go('unhealthy', 'crashed')
  t.deepEqual(
    (await seriesOf(registry)).filter((line) => line.startsWith('unavailable_plugin_total')),
    ['unavailable_plugin_total{plugin="testds",reason="unhealthy"} 1'],
  )
})

test('counts the start of a process that takes the place of another', async (t) => {
  const registry = new Registry()
  const { host, go } = scriptedHost(statusOf('ready'))
  pluginMetrics(registry, host)
  go('ready')
  t.true((await seriesOf(registry)).includes('plugin_starts_total{plugin="testds"} 2'))
})

test('takes a plugin that nobody asked for yet as available', async (t) => {
  const registry = new Registry()
  pluginMetrics(registry, scriptedHost(statusOf('idle', 0)).host)
  t.true((await seriesOf(registry)).includes('unavailable_plugin{plugin="testds"} 0'))
})

test('lets go of the host, and takes one without plugin states', (t) => {
  const { host, watchers } = scriptedHost(statusOf('ready'))
  const end = pluginMetrics(new Registry(), host)
  t.is(watchers.size, 1)
  end()
  t.is(watchers.size, 0)
  t.notThrows(pluginMetrics(new Registry(), { plugin: () => undefined, close: () => Promise.resolve() }))
})
