import { isDeepStrictEqual } from 'node:util'

import test from 'ava'
import fc from 'fast-check'

import { depthOf, elementsOf, hasFragileNumber, membersOf, startOfText, type Span } from '../../src/api/raw-json.ts'

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

const depths: Readonly<Record<string, number>> = {
  '1': 0,
  '{}': 1,
  '[[],{"a":[[]]},[]]': 4,
  '{"[[[":"{\\"[["}': 1,
  ']]][{': 0,
  '"[': 0,
}
for (const [text, depth] of Object.entries(depths)) {
  test(`counts ${String(depth)} levels in ${text}`, (t) => {
    t.is(depthOf(text), depth)
  })
}

const fragile = ['9007199254740993', '-9007199254740993', '1e400', '1e-400', '0.1000000000000000055', '1.0e2', '1E2']
const lasting = ['0', '-0', '100.0', '-12345678901234', '9007199254740992', '0.30000000000000004', '1e+21', '1.5e-7']
for (const number of [...fragile, ...lasting]) {
  test(`tells whether ${number} may be another number after JSON.parse`, (t) => {
    for (const text of [number, `[ ${number} ]`, `{"a":[1,{"b":${number}}]}`]) {
      t.is(hasFragileNumber(text), fragile.includes(number), text)
    }
    t.false(hasFragileNumber(`{"${number}":"x\\" ${number}, "}`))
  })
}

test('never takes a number for lasting that comes back as another one', (t) => {
  const digits = fc.stringMatching(/^-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?$/)
  fc.assert(
    fc.property(fc.oneof(digits, fc.double({ noNaN: true, noDefaultInfinity: true }).map(String)), (number) => {
      // Both as whole multiples of 1e-40, which is exact.
      const scaled = (text: string): bigint => {
        const [, sign = '', whole = '', fraction = '', exponent = '0'] =
          /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(text) ?? []
        return BigInt(`${sign}${whole}${fraction}${'0'.repeat(400 - fraction.length + Number(exponent))}`)
      }
      return hasFragileNumber(number) || scaled(String(Number(number))) === scaled(number)
    }),
    { numRuns: 2000 },
  )
  t.pass()
})
