/** Three observers of claimed requests: log lines, metrics and spans; one of plugins, and one of the source. */
export { logRequests } from './log.ts'
export { requestMetrics } from './metrics.ts'
export { pluginMetrics } from './plugin-metrics.ts'
export { sourceMetrics } from './source-metrics.ts'
export type { MetricsRegistry } from './registry.ts'
export { requestSpans, type Tracer } from './tracing.ts'
