import { setTimeout } from 'node:timers/promises'
import { encodeFrame } from './frames.js'
import { createRandom } from './random.js'

/**
 * @typedef {object} ScenarioRequest
 * @property {string} refId
 * @property {Record<string, any>} query the query as parsed JSON
 * @property {string} text the query as it came
 * @property {number} fromMs
 * @property {number} toMs
 * @property {number} intervalMs
 * @property {number} maxDataPoints
 * @property {string} queryType
 * @property {any} pluginContext
 * @property {Record<string, string>} headers
 * @property {AbortSignal} signal aborted when the caller has gone
 * @property {import('./log.js').Logger} log
 *
 * @typedef {{ frames: ReadonlyArray<Uint8Array> }} Data
 * @typedef {{ error: string, status: number, errorSource: string }} Failure
 * @typedef {(request: ScenarioRequest) => Data | Failure | Promise<Data | Failure>} Scenario
 */

const maxRows = 1_000_000
const maxCells = 32_000_000
const maxDelayMs = 60_000

/**
 * A whole number from a query: the fallback when absent or no number, else brought into [0, max].
 *
 * @param {unknown} value
 * @param {number} fallback
 * @param {number} max
 */
const count = (value, fallback, max) =>
  typeof value === 'number' && Number.isFinite(value) ? Math.min(Math.max(Math.trunc(value), 0), max) : fallback

/** @type {(ms: number) => bigint} */
const nanoseconds = (ms) => BigInt(Math.trunc(ms)) * 1_000_000n

/** @type {(keys: object | null | undefined) => string} */
const sortedKeys = (object) =>
  Object.keys(object ?? {})
    .sort()
    .join(',')

/**
 * A series over the half-open time range, cut at maxDataPoints. Equal requests get equal answers.
 *
 * @type {(request: ScenarioRequest) => Data}
 */
const randomWalk = ({ refId, query, fromMs, toMs, intervalMs, maxDataPoints }) => {
  const stepMs = intervalMs > 0 ? intervalMs : 1000
  const limit = maxDataPoints > 0 ? Math.min(maxDataPoints, maxRows) : 100
  const rows = count((toMs - fromMs + stepMs - 1) / stepMs, 0, limit)
  const random = createRandom(String(query.seed ?? `${refId} ${fromMs}`))
  const times = new BigInt64Array(rows)
  const values = new Float64Array(rows)
  for (let row = 0, value = random() * 100; row < rows; row += 1, value += random() - 0.5) {
    times[row] = nanoseconds(fromMs + row * stepMs)
    values[row] = value
  }
  const frame = encodeFrame({
    name: query.alias ?? refId,
    refId,
    meta: { type: 'timeseries-multi', typeVersion: [0, 1], executedQueryString: query.expr ?? 'random_walk' },
    columns: [
      { name: 'time', type: 'time', values: times },
      {
        name: 'value',
        type: 'float64',
        values,
        labels: query.labels,
        config: query.alias === undefined ? undefined : { displayNameFromDS: query.alias },
      },
    ],
  })
  return { frames: [frame] }
}

/** @type {Scenario} */
const table = ({ refId, fromMs }) => {
  const frame = encodeFrame({
    name: 'table',
    refId,
    meta: { type: 'table', typeVersion: [0, 1], preferredVisualisationType: 'table' },
    columns: [
      { name: 'time', type: 'time', values: BigInt64Array.from([0, 1, 2, 3], (row) => nanoseconds(fromMs + row)) },
      { name: 'name', type: 'string', values: ['alpha', 'beta <b>', 'gamma "γ"', null] },
      { name: 'count', type: 'int64', values: BigInt64Array.of(0n, -1n, 9007199254740993n, 9223372036854775807n) },
      { name: 'ok', type: 'bool', values: [true, false, true, false] },
      { name: 'ratio', type: 'float64', values: [0.1, null, NaN, Infinity], config: { unit: 'percentunit' } },
      { name: 'extra', type: 'json', values: [{ a: 1 }, [1, 2], 'text', null] },
    ],
  })
  return { frames: [frame] }
}

/** @type {(request: ScenarioRequest) => Promise<Data>} */
const slow = async (request) => {
  const { query, refId, signal, log } = request
  try {
    await setTimeout(count(query.delayMs, 1000, maxDelayMs), undefined, { signal })
  } catch (cancellation) {
    log.info('query cancelled', { refId })
    throw cancellation
  }
  return randomWalk(request)
}

/** @type {Scenario} */
const error = ({ query }) => ({
  error: query.message ?? 'scenario error',
  status: query.status ?? 400,
  errorSource: query.source ?? 'downstream',
})

/** @type {Scenario} */
const noDataFrame = ({ refId }) => {
  const frame = encodeFrame({
    name: 'no data',
    refId,
    columns: [
      { name: 'time', type: 'time', values: new BigInt64Array(0) },
      { name: 'value', type: 'float64', values: new Float64Array(0) },
    ],
  })
  return { frames: [frame] }
}

/** @type {Scenario} */
const huge = ({ refId, query }) => {
  const columns = count(query.columns, 10, 1000)
  const rows = count(query.rows, 10_000, Math.floor(maxCells / Math.max(columns, 1)))
  const random = createRandom(String(query.seed ?? refId))
  const frame = encodeFrame({
    name: 'huge',
    refId,
    columns: Array.from({ length: columns }, (_, column) => ({
      name: `column ${column}`,
      type: 'float64',
      values: Float64Array.from({ length: rows }, () => random() * 1000 + random()),
    })),
  })
  return { frames: [frame] }
}

/** Headers that carry credentials: shown by their length, which tells whether they came through whole. */
const secretHeaders = new Set(['authorization', 'cookie', 'x-id-token', 'http_x-grafana-id'])

/** @type {(headers: Record<string, string>) => string} */
const shownHeaders = (headers) =>
  JSON.stringify(headers, (key, value) =>
    secretHeaders.has(key.toLowerCase()) ? `[${value.length} characters]` : value,
  )

/**
 * One row that tells what the plugin received: names of secrets, never their values.
 *
 * @type {Scenario}
 */
const context = ({ pluginContext, headers, text, ...request }) => {
  const settings = pluginContext?.dataSourceInstanceSettings
  const strings = {
    pluginId: pluginContext?.pluginId,
    pluginVersion: pluginContext?.pluginVersion,
    apiVersion: pluginContext?.apiVersion,
    namespace: pluginContext?.namespace,
    userAgent: pluginContext?.userAgent,
    grafanaConfig: JSON.stringify(pluginContext?.grafanaConfig ?? {}),
    uid: settings?.uid,
    name: settings?.name,
    url: settings?.url,
    jsonData: settings?.jsonData.toString(),
    secureKeys: sortedKeys(settings?.decryptedSecureJsonData),
    login: pluginContext?.user?.login,
    role: pluginContext?.user?.role,
    headerKeys: sortedKeys(headers),
    headers: shownHeaders(headers),
    queryType: request.queryType,
    query: text,
  }
  const numbers = {
    orgId: pluginContext?.orgId ?? 0,
    fromEpochMS: request.fromMs,
    toEpochMS: request.toMs,
    intervalMS: request.intervalMs,
    maxDataPoints: request.maxDataPoints,
  }
  /** @type {import('./frames.js').Column[]} */
  const columns = [
    ...Object.entries(strings).map(
      ([name, value]) => /** @type {const} */ ({ name, type: 'string', values: [value ?? ''] }),
    ),
    ...Object.entries(numbers).map(
      ([name, value]) => /** @type {const} */ ({ name, type: 'int64', values: [BigInt(value)] }),
    ),
  ]
  return { frames: [encodeFrame({ name: 'context', refId: request.refId, columns })] }
}

/** @type {Scenario} */
const crash = () => {
  process.stderr.write('panic: requested by a query\n')
  process.exit(2)
}

/** @type {Scenario} */
const grpcError = ({ query }) => {
  throw new Error(query.message ?? 'requested by a query')
}

/** @type {ReadonlyMap<string, Scenario>} */
export const scenarios = new Map([
  ['random_walk', randomWalk],
  ['table', table],
  ['slow', slow],
  ['error', error],
  ['empty', () => ({ frames: [] })],
  ['no_data_frame', noDataFrame],
  ['huge', huge],
  ['context', context],
  ['crash', crash],
  ['hang', () => new Promise(() => {})],
  ['garbage_frame', () => ({ frames: [Buffer.from('this is not an Arrow file')] })],
  ['grpc_error', grpcError],
])
