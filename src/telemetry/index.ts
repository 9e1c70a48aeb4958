/** Three observers of claimed requests: log lines, metrics and spans; and one of plugins. */
export { logRequests } from './log.ts'
export { requestMetrics } from './metrics.ts'
export { pluginMetrics } from './plugin-metrics.ts'
export type { MetricsRegistry } from './registry.ts'
export { requestSpans, type Tracer } from './tracing.ts'
