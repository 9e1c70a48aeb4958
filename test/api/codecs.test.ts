import test from 'ava'
import * as t from 'io-ts'

import { arrayAtMost, unicode } from '../../src/api/codecs.ts'
import { decodeWith } from '../../src/decode.ts'
import { E } from '../../src/fp.ts'

test('refuses an array that is too long without a look at its elements', (execution) => {
  let looks = 0
  const element = new t.Type<unknown, unknown, unknown>(
    'never',
    (_value): _value is unknown => false,
    (value, context) => {
      looks++
      return t.failure(value, context)
    },
    t.identity,
  )
  const codec = t.type({ list: arrayAtMost(3, 'things', element) })
  execution.deepEqual(decodeWith(codec)({ list: [1, 2, 3, 4] }), {
    _tag: 'Left',
    left: [{ reason: 'FieldValueTooLong', field: 'list', message: 'expected at most 3 things, got 4' }],
  })
  execution.is(looks, 0)
  execution.true(E.isLeft(codec.decode({ list: [1, 2, 3] })))
  execution.is(looks, 3)
})

test('reads an array that is short enough like any other', (execution) => {
  const codec = arrayAtMost(2, 'numbers', t.number)
  execution.deepEqual(decodeWith(codec)([1, 2]), E.right([1, 2]))
  execution.like(decodeWith(codec)([1, 'x']), { left: [{ field: '[1]', message: 'expected number, got a string' }] })
  execution.like(decodeWith(codec)({}), { left: [{ field: '', message: 'expected an array, got an object' }] })
})

for (const text of ['', 'a', '\u{1f600}', '\uffff', 'a\u{10ffff}b']) {
  test(`takes ${JSON.stringify(text)}, which has UTF-8`, (execution) => {
    execution.deepEqual(decodeWith(unicode)(text), E.right(text))
  })
}

for (const text of ['\ud800', 'a\udc00b', '\udc00\ud800', '\u{1f600}\ud83d']) {
  test(`refuses ${JSON.stringify(text)}, which has no UTF-8`, (execution) => {
    execution.like(decodeWith(unicode)(text), {
      left: [{ reason: 'FieldValueInvalid', message: 'expected Unicode text, got half a surrogate pair' }],
    })
  })
}
