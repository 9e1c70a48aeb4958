import * as t from 'io-ts'

/**
 * Body of a query request, as the plugin SDK reads it. Source: experimental/apis/datasource/v0alpha1 of the SDK. What is not
 * named here belongs to the datasource and goes to it as text.
 */

/** Absent, null, or what the codec wants; the path of an error stays the codec's own. */
const optional = <A>(codec: t.Type<A, unknown, unknown>): t.Type<A | undefined, unknown, unknown> =>
  new t.Type<A | undefined, unknown, unknown>(
    codec.name,
    (value): value is A | undefined => value === undefined || codec.is(value),
    (value, context) => (value === undefined || value === null ? t.success(undefined) : codec.validate(value, context)),
    t.identity,
  )

const integer = new t.Type<number, unknown, unknown>(
  'an integer',
  (value): value is number => typeof value === 'number' && Number.isSafeInteger(value),
  (value, context) =>
    typeof value === 'number' && Number.isSafeInteger(value) ? t.success(value) : t.failure(value, context),
  t.identity,
)

const numberOrNumericText = new t.Type<number, unknown, unknown>(
  'an integer or an integer in a string',
  (value): value is number => typeof value === 'number',
  (value, context) => {
    const number = typeof value === 'string' && /^[+-]?\d{1,15}$/.test(value) ? Number(value) : value
    return typeof number === 'number' && Number.isSafeInteger(number) ? t.success(number) : t.failure(value, context)
  },
  t.identity,
)

/** `type` is the plugin's id, `uid` the instance's name. */
export interface DataSourceRef {
  readonly type?: string | undefined
  readonly uid?: string | undefined
}

const refObject = t.partial(
  { type: optional(t.string), uid: optional(t.string), apiVersion: optional(t.string) },
  'an object or a string',
)

/** A string is short for its `uid`. */
const dataSourceRef = new t.Type<DataSourceRef, unknown, unknown>(
  'an object or a string',
  (value): value is DataSourceRef => refObject.is(value),
  (value, context) => (typeof value === 'string' ? t.success({ uid: value }) : refObject.validate(value, context)),
  t.identity,
)

const timeRange = t.partial({ from: optional(t.string), to: optional(t.string) })

export const DataQuery = t.partial({
  refId: optional(t.string),
  datasource: optional(dataSourceRef),
  datasourceId: optional(t.number),
  queryType: optional(t.string),
  maxDataPoints: optional(numberOrNumericText),
  intervalMs: optional(t.number),
  timeRange: optional(timeRange),
  resultAssertions: optional(
    t.partial({ type: optional(t.string), typeVersion: optional(t.array(integer)), maxFrames: optional(integer) }),
  ),
  hide: optional(t.boolean),
})
export type DataQuery = t.TypeOf<typeof DataQuery>

export const QueryDataBody = t.partial({
  from: optional(t.string),
  to: optional(t.string),
  queries: optional(t.array(DataQuery)),
})
export type QueryDataBody = t.TypeOf<typeof QueryDataBody>
