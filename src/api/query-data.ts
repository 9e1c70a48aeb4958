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

/** io-ts copies by assignment: a member named `__proto__` would become the copy's prototype, and its members pass unchecked. */
const withoutProto = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, '__proto__')) return value
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== '__proto__'))
}

const object = <P extends t.Props>(props: P, name = 'an object') => {
  const codec = t.partial(props)
  return new t.Type<t.TypeOf<typeof codec>, unknown, unknown>(
    name,
    (value): value is t.TypeOf<typeof codec> => codec.is(value),
    (value, context) => codec.validate(withoutProto(value), context),
    t.identity,
  )
}

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

const refObject = object(
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

/** JSON can spell what float64 holds as infinity, and what no int64 holds. */
const duration = new t.Type<number, unknown, unknown>(
  'a number of milliseconds',
  (value): value is number => typeof value === 'number',
  (value, context) =>
    typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER
      ? t.success(value)
      : t.failure(value, context),
  t.identity,
)

const timeRange = object({ from: optional(t.string), to: optional(t.string) })

export const DataQuery = object({
  refId: optional(t.string),
  datasource: optional(dataSourceRef),
  datasourceId: optional(t.number),
  queryType: optional(t.string),
  maxDataPoints: optional(numberOrNumericText),
  intervalMs: optional(duration),
  timeRange: optional(timeRange),
  resultAssertions: optional(
    object({
      type: optional(t.string),
      typeVersion: optional(t.array(integer, 'an array')),
      maxFrames: optional(integer),
    }),
  ),
  hide: optional(t.boolean),
})
export type DataQuery = t.TypeOf<typeof DataQuery>

export const QueryDataBody = object({
  from: optional(t.string),
  to: optional(t.string),
  queries: optional(t.array(DataQuery, 'an array')),
})
export type QueryDataBody = t.TypeOf<typeof QueryDataBody>
