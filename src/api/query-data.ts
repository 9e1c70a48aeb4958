import * as t from 'io-ts'

import { fault } from '../decode.ts'
import { arrayAtMost, unicode } from './codecs.ts'

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

const otherCase = 'expected a name that differs from the known ones by more than case, which plugins in Go ignore'

/**
 * An object some of whose members are known, none of them in two spellings: `encoding/json` of Go ignores case by Unicode's simple
 * folding, as `iu` does, and the last member wins, so a plugin would read another value than the one that was checked.
 */
const object = <P extends t.Props>(props: P, name = 'an object') => {
  const codec = t.partial(props)
  const folded = new RegExp(`^(?:${Object.keys(props).join('|')})$`, 'iu')
  const misspelled = (value: unknown): string | undefined =>
    t.UnknownRecord.is(value)
      ? Object.keys(value).find((key) => !Object.hasOwn(props, key) && folded.test(key))
      : undefined
  return new t.Type<t.TypeOf<typeof codec>, unknown, unknown>(
    name,
    (value): value is t.TypeOf<typeof codec> => codec.is(value),
    (value, context) => {
      const key = misspelled(value)
      return key === undefined
        ? codec.validate(withoutProto(value), context)
        : fault(t.appendContext(context, key, t.unknown), 'FieldValueInvalid', otherCase)
    },
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
  refId: optional(unicode),
  datasource: optional(dataSourceRef),
  datasourceId: optional(t.number),
  queryType: optional(unicode),
  maxDataPoints: optional(numberOrNumericText),
  intervalMs: optional(duration),
  timeRange: optional(timeRange),
  resultAssertions: optional(
    object({
      type: optional(t.string),
      typeVersion: optional(arrayAtMost(2, 'numbers', integer)),
      maxFrames: optional(integer),
    }),
  ),
  hide: optional(t.boolean),
})
export type DataQuery = t.TypeOf<typeof DataQuery>

export const QueryDataBody = object({
  from: optional(t.string),
  to: optional(t.string),
  queries: optional(arrayAtMost(1000, 'queries', DataQuery)),
})
export type QueryDataBody = t.TypeOf<typeof QueryDataBody>
