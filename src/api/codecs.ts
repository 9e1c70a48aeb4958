import * as t from 'io-ts'

import { fault } from '../decode.ts'

/** A string that protobuf can carry. JSON can spell half a surrogate pair, which has no UTF-8: receivers would drop the whole message. */
export const unicode = new t.Type<string, string, unknown>(
  'string',
  (value): value is string => t.string.is(value),
  (value, context) =>
    typeof value === 'string' && /\p{Surrogate}/u.test(value)
      ? fault(context, 'FieldValueInvalid', 'expected Unicode text, got half a surrogate pair')
      : t.string.validate(value, context),
  t.identity,
)

/** An array of at most `max` elements. A longer one is refused unread: each wrong element would cost errors, and each right one a call. */
export const arrayAtMost = <A>(max: number, elements: string, codec: t.Type<A, unknown, unknown>) => {
  const array = t.array(codec, 'an array')
  return new t.Type<A[], unknown, unknown>(
    array.name,
    (value): value is A[] => array.is(value),
    (value, context) =>
      Array.isArray(value) && value.length > max
        ? fault(
            context,
            'FieldValueTooLong',
            `expected at most ${String(max)} ${elements}, got ${String(value.length)}`,
          )
        : array.validate(value, context),
    t.identity,
  )
}
