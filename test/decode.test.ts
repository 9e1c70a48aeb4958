import test from 'ava'
import * as t from 'io-ts'

import { capCauses, decodeWith, describeCauses, quote } from '../src/decode.ts'
import { E } from '../src/fp.ts'

const Named = t.intersection([
  t.type({ name: t.string }),
  t.partial({ tags: t.readonlyArray(t.string), labels: t.record(t.string, t.string) }),
])
const codec = t.type({
  items: t.array(Named),
  time: t.union([t.string, t.null], 'a time or null'),
  nested: t.type({ list: t.array(t.array(t.number)) }),
})
const good = { items: [{ name: 'a' }], time: null, nested: { list: [[1]] } }

const causesOf = (value: unknown): ReadonlyArray<unknown> => {
  const decoded = decodeWith(codec)(value)
  return E.isLeft(decoded) ? decoded.left : []
}

const required = (field: string, what: string) => ({
  reason: 'FieldValueRequired',
  field,
  message: `expected ${what}, got nothing`,
})
const wrongType = (field: string, what: string, nature: string) => ({
  reason: 'FieldValueTypeInvalid',
  field,
  message: `expected ${what}, got ${nature}`,
})

const cases: ReadonlyArray<readonly [title: string, value: unknown, causes: ReadonlyArray<unknown>]> = [
  ['gives no cause for what fits', good, []],
  ['calls the whole by the empty path', undefined, [required('', 'an object')]],
  ['names a missing member', { ...good, time: undefined }, [required('time', 'a time or null')]],
  ['names the union, not its branches', { ...good, time: 5 }, [wrongType('time', 'a time or null', 'a number')]],
  [
    'counts through arrays, and drops the branches of an intersection',
    { ...good, items: [{ name: 'a' }, { name: 1 }, {}, null] },
    [
      wrongType('items[1].name', 'string', 'a number'),
      required('items[2].name', 'string'),
      wrongType('items[3]', 'an object', 'null'),
    ],
  ],
  [
    'goes into lists of lists, and into maps',
    { ...good, items: [{ name: 'a', tags: [true], labels: { b: [] } }], nested: { list: [[], [1, 'x']] } },
    [
      wrongType('items[0].tags[0]', 'string', 'a boolean'),
      wrongType('items[0].labels.b', 'string', 'an array'),
      wrongType('nested.list[1][1]', 'number', 'a string'),
    ],
  ],
]
for (const [title, value, causes] of cases) {
  test(title, (execution) => {
    execution.deepEqual(causesOf(value), causes)
  })
}

test('never quotes a value', (execution) => {
  const causes = JSON.stringify(causesOf({ items: 'hunter2', time: ['hunter2'], nested: { list: ['hunter2'] } }))
  execution.notRegex(causes, /hunter2/)
})

test('counts causes beyond the thirty-second', (execution) => {
  const causes = causesOf({ ...good, items: Array.from({ length: 1000 }, () => 1) })
  execution.is(causes.length, 33)
  execution.deepEqual(causes.at(-1), { reason: 'FieldValueInvalid', field: '', message: 'and 968 more wrong fields' })
})

test('leaves thirty-two causes as they are', (execution) => {
  const cause = { reason: 'FieldValueInvalid', field: 'a', message: 'b' } as const
  const causes = Array.from({ length: 32 }, () => cause)
  execution.is(capCauses(causes), causes)
})

test('joins causes to a sentence', (execution) => {
  const causes = decodeWith(codec)({ ...good, items: [{}], time: 5 })
  execution.is(
    E.isLeft(causes) ? describeCauses(causes.left) : '',
    'items[0].name: expected string, got nothing; time: expected a time or null, got a number',
  )
  execution.is(describeCauses([{ reason: 'FieldValueInvalid', field: '', message: 'and more' }]), 'and more')
})

test('quotes a text for a message, and cuts a long one', (execution) => {
  execution.is(quote('a"b\n'), '"a\\"b\\n"')
  execution.is(quote('x'.repeat(80)).length, 82)
  execution.is(quote('x'.repeat(1e6)), `"${'x'.repeat(77)}..."`)
})
