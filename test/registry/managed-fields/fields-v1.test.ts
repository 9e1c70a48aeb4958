import test from 'ava'
import fc from 'fast-check'

import { E } from '../../../src/fp.ts'
import { areEqual, difference, intersection, isEmpty, union } from '../../../src/registry/managed-fields/field-set.ts'
import { parseFieldsV1, toFieldsV1 } from '../../../src/registry/managed-fields/fields-v1.ts'

const parse = (value: unknown) => E.getOrElseW(() => undefined)(parseFieldsV1(value))

const canonical = (value: unknown): string | undefined => {
  const set = parse(value)
  return set === undefined ? undefined : JSON.stringify(toFieldsV1(set))
}

const spellings: Readonly<Record<string, readonly [given: unknown, canonical: string | undefined]>> = {
  'fields before items, in order': [
    { 'v:"b"': {}, 'k:{"type":"x"}': {}, 'f:b': {}, 'i:10': {}, 'i:2': {}, 'f:a': {} },
    '{"f:a":{},"f:b":{},"k:{\\"type\\":\\"x\\"}":{},"v:\\"b\\"":{},"i:2":{},"i:10":{}}',
  ],
  'keys sorted by name': [{ 'k:{"type": "x", "method":""}': {} }, '{"k:{\\"method\\":\\"\\",\\"type\\":\\"x\\"}":{}}'],
  'the container itself first': [{ 'f:a': { 'f:b': {}, '.': {} } }, '{"f:a":{".":{},"f:b":{}}}'],
  'no dot at a leaf': [{ 'f:a': { '.': {} } }, '{"f:a":{}}'],
  'a dot at the root as nothing': [{ '.': {}, 'f:a': {} }, '{"f:a":{}}'],
  'null as an empty map': [{ 'f:a': null }, '{"f:a":{}}'],
  'unknown kinds of steps left out': [{ 'f:a': { 'z:1': {}, 'f:b': {} }, 'y:2': {} }, '{"f:a":{"f:b":{}}}'],
  'two spellings of one step as one': [
    { 'k:{"a":1,"b":2}': { 'f:x': {} }, 'k:{"b":2,"a":1}': { 'f:y': {} } },
    '{"k:{\\"a\\":1,\\"b\\":2}":{"f:x":{},"f:y":{}}}',
  ],
  'what HTML could stumble on as Go writes it': [{ 'v:"<&>"': {} }, '{"v:\\"\\\\u003c\\\\u0026\\\\u003e\\"":{}}'],
  nothing: [null, '{}'],
  'a list': [[], undefined],
  'a text': ['f:a', undefined],
  'a step that is no map': [{ 'f:a': 1 }, undefined],
  'a step without a kind': [{ a: {} }, undefined],
  'keys that are no JSON': [{ 'k:{': {} }, undefined],
  'keys that are no object': [{ 'k:[]': {} }, undefined],
  'an index that is none': [{ 'i:x': {} }, undefined],
}

for (const [what, [given, expected]] of Object.entries(spellings)) {
  test(`reads ${what}`, (t) => {
    t.is(canonical(given), expected)
  })
}

test('refuses what nests too deep for anybody to walk', (t) => {
  t.is(parse(JSON.parse('{"f:a":'.repeat(5000) + '{}' + '}'.repeat(5000))), undefined)
})

const element = fc.oneof(
  fc.string().map((name) => `f:${name}`),
  fc.constantFrom('f:__proto__', 'f:constructor', 'f:.', 'f:'),
  fc.string().map((value) => `v:${JSON.stringify(value)}`),
  fc.dictionary(fc.string(), fc.string(), { minKeys: 1, maxKeys: 3 }).map((keys) => `k:${JSON.stringify(keys)}`),
  fc.nat(20).map((index) => `i:${String(index)}`),
)
const { tree } = fc.letrec<{ tree: Record<string, unknown> }>((tie) => ({
  tree: fc.dictionary(
    fc.oneof({ weight: 6, arbitrary: element }, fc.constant('.')),
    fc.oneof({ maxDepth: 4 }, fc.constant({}), tie('tree')),
    {
      maxKeys: 4,
      noNullPrototype: true,
    },
  ),
}))

test('writes what it reads, and reads it as the same set again', (t) => {
  fc.assert(
    fc.property(tree, (value) => {
      const set = parse(value)
      if (set === undefined) return t.fail()
      const written = toFieldsV1(set)
      const again = parse(JSON.parse(JSON.stringify(written)))
      t.true(again !== undefined && areEqual(set, again))
      t.is(canonical(written), JSON.stringify(written))
    }),
  )
})

test('counts with sets as with sets', (t) => {
  fc.assert(
    fc.property(tree, tree, (first, second) => {
      const [a, b] = [parse(first), parse(second)]
      if (a === undefined || b === undefined) return t.fail()
      t.true(areEqual(union(a, b), union(b, a)))
      t.true(areEqual(intersection(a, b), intersection(b, a)))
      t.true(areEqual(union(difference(a, b), intersection(a, b)), a))
      t.true(isEmpty(intersection(difference(a, b), b)))
      t.true(isEmpty(difference(a, union(b, a))))
    }),
  )
})
