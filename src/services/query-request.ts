import type { DataPlaneService } from '../api/dataplane-service.ts'
import { parseTime } from '../api/date-math.ts'
import { QueryDataBody, type DataQuery } from '../api/query-data.ts'
import { elementsOf, membersOf, startOfText } from '../api/raw-json.ts'
import type { StatusCause } from '../api/status.ts'
import { decodeWith, describeCauses } from '../decode.ts'
import { badRequest, type AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import type { HeaderMap, HttpRequest, JsonBody, User } from '../http.ts'
import type { DataQuery as PluginQuery, TimeRange } from '../plugin.ts'

/** A query request, read: what goes to the plugin, but for its context. */
export interface QueryCall {
  readonly namespace: string
  readonly uid: string | undefined
  readonly user: User | undefined
  /** The request's own: what the plugin may see of them depends on its instance. */
  readonly headers: HeaderMap
  readonly queries: ReadonlyArray<PluginQuery>
}

/** What the plugin SDK fills in for a query that leaves them out, and what the query schema documents for the range. */
const defaults = { maxDataPoints: 100, intervalMs: 1000, from: 'now-6h', to: 'now' } as const

const invalid = (causes: ReadonlyArray<StatusCause>): AggregatorError =>
  badRequest(`invalid query request: ${describeCauses(causes)}`, causes)

const wrong = (field: string, message: string): E.Either<AggregatorError, never> =>
  E.left(invalid([{ reason: 'FieldValueInvalid', field, message }]))

/** An empty text counts as absent, as in Grafana; one that cannot be read is an error, where Grafana goes back to 1970. */
const readBound = (
  text: string | undefined,
  field: string,
  bound: 'lower' | 'upper',
  nowMs: number,
): E.Either<AggregatorError, number> => {
  const given = text === undefined || text === '' ? (bound === 'lower' ? defaults.from : defaults.to) : text
  const ms = parseTime(given, nowMs, bound)
  return ms === undefined
    ? wrong(field, 'expected milliseconds since the epoch, a duration such as "5m", or date math such as "now-1h"')
    : E.right(ms)
}

const readRange = (
  range: { readonly from?: string | undefined; readonly to?: string | undefined },
  field: string,
  nowMs: number,
): E.Either<AggregatorError, TimeRange> =>
  pipe(
    E.Do,
    E.bind('fromEpochMS', () => readBound(range.from, `${field}from`, 'lower', nowMs)),
    E.bind('toEpochMS', () => readBound(range.to, `${field}to`, 'upper', nowMs)),
  )

/** Absent, null and empty are the same, as in Go. */
const isSame = (a = '', b = ''): boolean => a === b

/** Which datasource the whole request is for: the first query's, and no later query may name another. */
const checkDatasource = (
  queries: ReadonlyArray<DataQuery>,
  { spec }: DataPlaneService,
  uid: string | undefined,
): E.Either<AggregatorError, null> => {
  const [first] = queries
  if (first === undefined) return wrong('queries', 'expected at least one query')
  const expected = first.datasource
  if (expected === undefined) return wrong('queries[0].datasource', 'missing datasource reference')
  for (const [index, { datasource }] of queries.entries()) {
    const field = `queries[${String(index)}].datasource`
    if (datasource === undefined) continue
    if (!isSame(datasource.type, expected.type)) return wrong(`${field}.type`, 'expect same datasource types')
    if (!isSame(datasource.uid, expected.uid)) return wrong(`${field}.uid`, 'expect same datasource UID')
  }
  if (expected.type !== undefined && expected.type !== '' && expected.type !== spec.pluginID) {
    return wrong('queries[0].datasource.type', `invalid datasource type: expected "${spec.pluginID}"`)
  }
  if (uid !== undefined && expected.uid !== uid) {
    return wrong('queries[0].datasource.uid', `invalid datasource UID: expected "${uid}" as in the path`)
  }
  return E.right(null)
}

/**
 * The query's own text without its `timeRange`, which travels beside it: every number as the client wrote it. The two
 * members that have a short spelling are spelled out, since plugins know the long one only.
 */
const rawQuery = (text: string, start: number, query: DataQuery): Uint8Array => {
  const members: string[] = []
  for (const [key, span] of membersOf(text, start)) {
    const raw = text.slice(span.start, span.end)
    const isShort = raw.startsWith('"')
    if (key === 'timeRange') continue
    if (key === 'datasource' && isShort) members.push(`"datasource":${JSON.stringify(query.datasource)}`)
    else if (key === 'maxDataPoints' && isShort) members.push(`"maxDataPoints":${String(query.maxDataPoints)}`)
    else members.push(`${JSON.stringify(key)}:${raw}`)
  }
  return Buffer.from(`{${members.join(',')}}`)
}

/** Below one millisecond Grafana would send 0, which plugins divide by. */
const intervalOf = ({ intervalMs = 0 }: DataQuery): number =>
  intervalMs > 0 ? Math.max(1, Math.trunc(intervalMs)) : defaults.intervalMs

const toPluginQueries = (
  { queries = [], from, to }: QueryDataBody,
  text: string,
  nowMs: number,
): E.Either<AggregatorError, ReadonlyArray<PluginQuery>> => {
  const shared = readRange({ from, to }, '', nowMs)
  if (E.isLeft(shared)) return shared
  const array = membersOf(text, startOfText(text)).get('queries')
  const spans = array === undefined ? [] : elementsOf(text, array.start)
  const result: PluginQuery[] = []
  for (const [index, query] of queries.entries()) {
    const own = query.timeRange
    const timeRange = own === undefined ? shared : readRange(own, `queries[${String(index)}].timeRange.`, nowMs)
    if (E.isLeft(timeRange)) return timeRange
    result.push({
      refId: query.refId ?? '',
      queryType: query.queryType ?? '',
      maxDataPoints:
        query.maxDataPoints === undefined || query.maxDataPoints === 0 ? defaults.maxDataPoints : query.maxDataPoints,
      intervalMS: intervalOf(query),
      timeRange: timeRange.right,
      json: rawQuery(text, spans[index]?.start ?? text.length, query),
    })
  }
  return E.right(result)
}

/** Reads a query request by the rules of the plugin SDK, with the errors that the SDK leaves out. Pure. */
export const decodeQuery = (
  request: HttpRequest,
  body: JsonBody,
  service: DataPlaneService,
): E.Either<AggregatorError, QueryCall> => {
  const { namespace = '', uid } = request.params
  return pipe(
    E.Do,
    E.bind('data', () => E.mapLeft(invalid)(decodeWith(QueryDataBody)(body.value))),
    E.chainFirst(({ data }) => checkDatasource(data.queries ?? [], service, uid)),
    E.bind('queries', ({ data }) => toPluginQueries(data, body.text, request.receivedAtMs)),
    E.map(({ queries }) => ({ namespace, uid, user: request.user, headers: request.headers, queries })),
  )
}
