/** Three observers of claimed requests: log lines, metrics and spans. */
export { logRequests } from './log.ts'
export { requestMetrics, type MetricsRegistry } from './metrics.ts'
export { requestSpans, type Tracer } from './tracing.ts'
