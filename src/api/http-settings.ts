import * as t from 'io-ts'

import { decodeWith } from '../decode.ts'
import { E, pipe } from '../fp.ts'
import type { StatusCause } from './status.ts'

/** More than this a timer of Node cannot count. */
const maxSeconds = 2_147_483

const seconds = new t.Type<number, number, unknown>(
  `a number of seconds from 0 to ${String(maxSeconds)}`,
  (value): value is number => typeof value === 'number' && value >= 0 && value <= maxSeconds,
  (value, context) =>
    typeof value === 'number' && value >= 0 && value <= maxSeconds ? t.success(value) : t.failure(value, context),
  t.identity,
)

const count = new t.Type<number, number, unknown>(
  'a whole number',
  (value): value is number => Number.isSafeInteger(value) && Number(value) >= 0,
  (value, context) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
      ? t.success(value)
      : t.failure(value, context),
  t.identity,
)

const HttpSettings = t.partial({
  timeout: seconds,
  dialTimeout: seconds,
  httpTLSHandshakeTimeout: seconds,
  httpIdleConnTimeout: seconds,
  httpMaxIdleConns: count,
  httpMaxIdleConnsPerHost: count,
  tlsAuth: t.boolean,
  tlsAuthWithCACert: t.boolean,
  tlsSkipVerify: t.boolean,
  serverName: t.string,
  oauthPassThru: t.boolean,
  keepCookies: t.array(t.string),
})

/** What the jsonData of a datasource says of the way to it. Source: http_settings.go of the plugin SDK. */
export type HttpSettings = t.TypeOf<typeof HttpSettings>

/** An input field of Grafana that was emptied leaves null behind. */
const withoutNulls = (value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null))

/**
 * Reads what concerns HTTP out of a datasource's jsonData. Left: one cause for each field of a wrong type, which the plugin SDK would
 * have ignored: a `timeout` of "30" would be none at all. Pure.
 */
export const parseHttpSettings = (
  jsonData: Readonly<Record<string, unknown>>,
): E.Either<ReadonlyArray<StatusCause>, HttpSettings> =>
  pipe(
    withoutNulls(jsonData),
    decodeWith(HttpSettings),
    E.mapLeft((causes) => causes.map((cause) => ({ ...cause, field: `jsonData.${cause.field}` }))),
  )
