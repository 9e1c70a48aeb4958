import { parseObject } from './json.js'
import { unary } from './protocol.js'

/** @param {any} request */
const checkHealth = ({ pluginContext }) => {
  const { jsonData } = pluginContext?.dataSourceInstanceSettings ?? {}
  if (jsonData?.length > 0 && parseObject(jsonData) === undefined) {
    return { status: 'ERROR', message: 'expected jsonData to be a JSON object' }
  }
  return { status: 'OK', message: 'testdata is healthy', jsonDetails: jsonData }
}

/**
 * `pluginv2.Diagnostics`.
 *
 * @param {ReadonlyMap<string, number>} queries how often each scenario was asked for
 */
export const diagnosticsService = (queries) => ({
  CheckHealth: unary(checkHealth),
  CollectMetrics: unary(() => {
    const samples = [...queries].map(([scenario, times]) => `testdata_queries_total{scenario="${scenario}"} ${times}\n`)
    const head = '# HELP testdata_queries_total Queries asked, by scenario.\n# TYPE testdata_queries_total counter\n'
    return { metrics: { prometheus: Buffer.from(head + samples.join('')) } }
  }),
})
