import { isDeepStrictEqual } from 'node:util'

import test from 'ava'
import fc from 'fast-check'

import { elementsOf, membersOf, startOfText, type Span } from '../../src/api/raw-json.ts'

const parse = (text: string): unknown => JSON.parse(text) as unknown

/** Any JSON value as a text with odd spaces, escapes, numbers and repeated keys. */
const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/)
const string = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
  fc.constantFrom('"\\""', '"\\\\"', '"\\\\\\""', '"\\u0022]}"', '"{[,:]}"', '"\\/"', '"\\ud83d"', '"__proto__"', '""'),
)
const scalar = fc.oneof(
  string,
  fc.constantFrom('null', 'true', 'false', '0', '-0', '1e3', '-1.5E-7', '9007199254740993'),
)
const key = fc.oneof(string, fc.constantFrom('"a"', '"\\u0061"'))
const { array, object } = fc.letrec<{ value: string; array: string; object: string }>((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, scalar, tie('array'), tie('object')),
  array: fc
    .array(fc.tuple(space, tie('value'), space), { maxLength: 5 })
    .map((items) => `[${items.map((item) => item.join('')).join(',')}]`),
  object: fc
    .array(fc.tuple(space, key, space, fc.constant(':'), space, tie('value'), space), { maxLength: 5 })
    .map((items) => `{${items.map((item) => item.join('')).join(',')}}`),
}))
const around = (json: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(space, json, space).map((parts) => parts.join(''))

const cut = (text: string, { start, end }: Span): unknown => parse(text.slice(start, end))

test('finds in an array the values that JSON.parse gives', (t) => {
  fc.assert(
    fc.property(around(array), (text) => {
      const elements = elementsOf(text, startOfText(text)).map((span) => cut(text, span))
      return isDeepStrictEqual(elements, parse(text))
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

test('finds in an object the members that JSON.parse gives, of a repeated key the last', (t) => {
  fc.assert(
    fc.property(around(object), (text) => {
      const members = [...membersOf(text, startOfText(text))].map(([name, span]) => [name, cut(text, span)] as const)
      return isDeepStrictEqual(new Map(members), new Map(Object.entries(parse(text) as object)))
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

const spans: ReadonlyArray<readonly [text: string, elements: ReadonlyArray<string>]> = [
  ['[]', []],
  ['[ ]', []],
  ['[ 1 ,\t"a,]" , {"b": [ ]} ]', ['1', '"a,]"', '{"b": [ ]}']],
  ['["\\\\","\\\\\\"",9007199254740993]', ['"\\\\"', '"\\\\\\""', '9007199254740993']],
]
for (const [text, elements] of spans) {
  test(`cuts ${text} without the space around`, (t) => {
    t.deepEqual(
      elementsOf(text, 0).map(({ start, end }) => text.slice(start, end)),
      elements,
    )
  })
}

test('goes through a million nested arrays without a stack', (t) => {
  const deep = '['.repeat(1e6) + ']'.repeat(1e6)
  t.deepEqual(elementsOf(`[${deep}]`, 0), [{ start: 1, end: deep.length + 1 }])
})
