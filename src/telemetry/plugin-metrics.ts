import type { PluginHost } from '../plugin.ts'
import type { PluginState, PluginStatus } from '../plugin-status.ts'
import { counterIn, gaugeIn, type MetricsRegistry } from './registry.ts'

/** States in which calls fail, or wait; one that nobody asked for yet, or that is stopped for good, is not missed. */
const unavailableStates: ReadonlyArray<PluginState> = ['starting', 'unhealthy', 'crashed', 'crash-looping']
const isUnavailable = (state: PluginState): boolean => unavailableStates.includes(state)

/**
 * Shows in a registry of the host which plugins are unavailable, how often each became so and by what, and how often each was
 * started. Gives back what ends it. Source: aggregator_unavailable_apiservice of kube-aggregator, so its alerts carry over.
 */
export const pluginMetrics = (registry: MetricsRegistry, host: PluginHost): (() => void) => {
  const unavailable = gaugeIn(registry, 'dataplane_aggregator_unavailable_plugin', 'Plugins that do not serve: 1.', [
    'plugin',
  ])
  const unavailableTotal = counterIn(
    registry,
    'dataplane_aggregator_unavailable_plugin_total',
    'How often a plugin that served stopped serving, by the state that it came to.',
    ['plugin', 'reason'],
  )
  const starts = counterIn(registry, 'dataplane_aggregator_plugin_starts_total', 'How often a plugin was started.', [
    'plugin',
  ])

  const counted = new Map<string, number>()
  const show = ({ id: plugin, state, startCount }: PluginStatus): void => {
    unavailable.set({ plugin }, isUnavailable(state) ? 1 : 0)
    starts.inc({ plugin }, startCount - (counted.get(plugin) ?? 0))
    counted.set(plugin, startCount)
  }
  const unwatch = host.watch?.(({ from, to }) => {
    show(to)
    if (from === 'ready' && isUnavailable(to.state)) unavailableTotal.inc({ plugin: to.id, reason: to.state })
  })
  host.statuses?.().forEach(show)
  return () => unwatch?.()
}
