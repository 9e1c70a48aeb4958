import * as t from 'io-ts'

import { decodeWith } from '../decode.ts'
import { E, pipe } from '../fp.ts'
import type { StatusCause } from './status.ts'

/** Azure writes numbers as texts. */
const seconds = new t.Type<number, number, unknown>(
  'a number of seconds',
  (value): value is number => typeof value === 'number',
  (value, context) => {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    return typeof number === 'number' && Number.isFinite(number) ? t.success(number) : t.failure(value, context)
  },
  t.identity,
)

const AccessTokenAnswer = t.intersection([
  t.type({ access_token: t.string }),
  t.partial({ expires_in: seconds, expires_on: seconds }),
])

/** What a token endpoint gives. */
export interface AccessToken {
  readonly value: string
  /** ms since the epoch; `undefined`: it did not say. */
  readonly expiresAtMs: number | undefined
}

/**
 * Reads the answer of a token endpoint that was asked at `askedAtMs`. Shape: `{ "access_token": "…", "expires_in": "3600" }`, with
 * `expires_on`, seconds since the epoch, instead or besides; the earlier counts. Pure. Source: RFC 6749, 5.1; Azure's own.
 */
export const parseAccessToken = (
  value: unknown,
  askedAtMs: number,
): E.Either<ReadonlyArray<StatusCause>, AccessToken> =>
  pipe(
    value,
    decodeWith(AccessTokenAnswer),
    E.map(({ access_token, expires_in, expires_on }) => {
      const times = [
        ...(expires_in === undefined ? [] : [askedAtMs + expires_in * 1000]),
        ...(expires_on === undefined ? [] : [expires_on * 1000]),
      ]
      return { value: access_token, expiresAtMs: times.length === 0 ? undefined : Math.min(...times) }
    }),
  )
