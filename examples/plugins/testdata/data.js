import { parseObject } from './json.js'
import { unary } from './protocol.js'
import { scenarios } from './scenarios.js'

/** @type {(error: string) => import('./scenarios.js').Failure} */
const badQuery = (error) => ({ error, status: 400, errorSource: 'plugin' })

/**
 * `pluginv2.Data`: every query of a request runs its scenario, all at the same time. `asked` hears the name of each.
 *
 * @param {import('./log.js').Logger} log
 * @param {(scenario: string) => void} asked
 */
export const dataService = (log, asked) => {
  /** @type {(request: any, query: any, signal: AbortSignal) => ReturnType<import('./scenarios.js').Scenario>} */
  const answer = ({ pluginContext, headers }, { refId, json, timeRange, ...rest }, signal) => {
    const query = parseObject(json)
    if (query === undefined) return badQuery('expected the query to be a JSON object')
    const name = query.scenario ?? 'random_walk'
    const scenario = scenarios.get(name)
    if (scenario === undefined) return badQuery(`unknown scenario ${JSON.stringify(name)}`)
    asked(name)
    return scenario({
      refId,
      query,
      text: json.toString(),
      fromMs: timeRange?.fromEpochMS ?? 0,
      toMs: timeRange?.toEpochMS ?? 0,
      intervalMs: rest.intervalMS,
      maxDataPoints: rest.maxDataPoints,
      queryType: rest.queryType,
      pluginContext,
      headers,
      signal,
      log,
    })
  }

  return {
    QueryData: unary(async (request, signal) => {
      log.debug('query data', { queries: request.queries.length })
      const responses = await Promise.all(
        request.queries.map(async (/** @type {any} */ query) => [
          query.refId,
          { status: 200, ...(await answer(request, query, signal)) },
        ]),
      )
      return { responses: Object.fromEntries(responses) }
    }),
  }
}
