import test from 'ava'
import fc from 'fast-check'

import { dataPlaneServiceSchema, type Schema } from '../../src/api/schema.ts'
import { E } from '../../src/fp.ts'
import { duplicateFields } from '../../src/registry/duplicate-fields.ts'
import { conform } from '../../src/registry/fields.ts'
import { decodeBody } from '../../src/registry/input.ts'
import { parseWriteOptions } from '../../src/registry/query-options.ts'
import { checkSchema } from '../../src/registry/schema-check.ts'
import { warningHeaders } from '../../src/registry/warnings.ts'
import { requestOf } from '../telemetry/requests.ts'
import { object, spec, storedSpec } from './_writes.ts'

test('finds each field that is there twice, wherever it is', (t) => {
  const twice: ReadonlyArray<readonly [text: string, fields: string]> = [
    ['{"a":1,"a":2}', 'a'],
    ['{"a":1,"b":{"a":1}}', ''],
    ['{"a":{"b":1,"c":{},"b":2,"b":3}}', 'a.b'],
    ['{"a":[{"x":1},[],{"x":1,"y":"x","x":2},{"x":1}]}', 'a[2].x'],
    ['[[{"x":1}],[1,{"x":1,"x":2}]]', '[1][1].x'],
    ['{"a":"{\\"a\\":1,\\"a\\":2}","\\u0061":1}', 'a'],
    ['{"a\\"b":1,"a\\"b":2}', 'a"b'],
    ['{"__proto__":1,"__proto__":2,"constructor":3}', '__proto__'],
    ['5', ''],
  ]
  for (const [text, fields] of twice) t.is(duplicateFields(text).join(), fields, text)
  t.is(
    duplicateFields(`{${Array.from({ length: 500 }, (_, i) => `"k${String(i)}":1,"k${String(i)}":2`).join()}}`).length,
    100,
  )
})

test('finds nothing twice in what JSON.stringify wrote', (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1), (value, indent) => {
      t.deepEqual(duplicateFields(JSON.stringify(value, null, indent)), [])
    }),
  )
})

test('gives a body no more depth than anybody needs', (t) => {
  const nested = (levels: number): Uint8Array => Buffer.from('['.repeat(levels) + ']'.repeat(levels))
  for (const syntax of ['json', 'yaml'] as const) {
    t.true(E.isRight(decodeBody(nested(64), syntax)))
    for (const levels of [65, 100_000])
      t.true(E.isLeft(decodeBody(nested(levels), syntax)), `${syntax} ${String(levels)}`)
  }
})

test('keeps the fields of the schema, fills in defaults, and names the others', (t) => {
  const { value, unknownFields } = conform({
    ...object({
      name: 'a',
      creationTimestamp: null,
      labels: { x: null },
      managedFields: [{ fieldsV1: { 'f:x': {} }, z: 1 }],
    }),
    spec: { ...spec, services: [{ type: 'query', method: null, foo: 1 }, 'x', null], backend: { a: { b: 1 } } },
    status: { conditions: { not: 'a list' } },
    constructor: 1,
  })
  t.deepEqual<unknown, unknown>(value, {
    ...object({ name: 'a', labels: { x: '' }, managedFields: [{ fieldsV1: { 'f:x': {} } }] }),
    spec: { ...storedSpec, services: [...storedSpec.services, 'x', null], backend: {} },
    status: { conditions: { not: 'a list' } },
  })
  t.deepEqual(unknownFields, ['constructor', 'metadata.managedFields[0].z', 'spec.backend.a', 'spec.services[0].foo'])
})

test('takes keys that are names of a prototype for fields like any other', (t) => {
  const { value, unknownFields } = conform(
    JSON.parse('{"__proto__":{"spec":1},"metadata":{"labels":{"__proto__":"x"}}}'),
  )
  t.deepEqual(unknownFields, ['__proto__'])
  t.is(JSON.stringify(value), '{"metadata":{"labels":{"__proto__":"x"}}}')
  t.false('spec' in (value as object))
})

test('conforms anything at all, and what it made of it once more to the same', (t) => {
  const key = fc.constantFrom('metadata', 'spec', 'services', 'status', 'conditions', 'labels', '__proto__', 'x')
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom(null, 'x', 1, true),
      fc.array(tie('tree')),
      fc.dictionary(key, tie('tree')),
    ),
  }))
  fc.assert(
    fc.property(tree, (value) => {
      const once = conform(value)
      const again = conform(once.value)
      t.deepEqual(again.value, once.value)
      t.deepEqual(again.unknownFields, [])
      t.notThrows(() => checkSchema(once.value, dataPlaneServiceSchema))
    }),
  )
})

test('checks a value by its schema, in the words of Kubernetes', (t) => {
  const text: Schema = { type: 'string', minLength: 2, maxLength: 3 }
  const cases: ReadonlyArray<readonly [value: unknown, schema: Schema, message: string | undefined]> = [
    ['ab', text, undefined],
    ['a', text, 'Invalid value: "a": f in body should be at least 2 chars long'],
    ['abcd', text, 'Too long: may not be more than 3 bytes'],
    [5, text, 'Invalid value: "integer": f in body must be of type string: "integer"'],
    [5.5, { type: 'integer' }, 'Invalid value: "number": f in body must be of type integer: "number"'],
    [Infinity, { type: 'integer' }, 'Invalid value: "number": f in body must be of type integer: "number"'],
    [5, { type: 'number' }, undefined],
    [-1, { type: 'integer', minimum: 0 }, 'Invalid value: -1: f in body should be greater than or equal to 0'],
    [null, { type: 'object' }, 'Invalid value: "null": f in body must be of type object: "null"'],
    [[], { type: 'object' }, 'Invalid value: "array": f in body must be of type object: "array"'],
    ['2026-01-02T03:04:05Z', { type: 'string', format: 'date-time' }, undefined],
    [
      '2026-13-02T03:04:05Z',
      { type: 'string', format: 'date-time' },
      'Invalid value: "2026-13-02T03:04:05Z": f in body must be of type date-time: "2026-13-02T03:04:05Z"',
    ],
    [[1, 2], { type: 'array', maxItems: 1, items: text }, 'Too long: must have at most 1 items, got 2'],
    ['x', {}, undefined],
  ]
  for (const [value, schema, message] of cases) t.is(checkSchema(value, schema, 'f')[0]?.message, message)
})

test('takes any query for options, or says what is wrong with it', (t) => {
  const name = fc.constantFrom('dryRun', 'fieldManager', 'fieldValidation', 'force', 'timeout', 'pretty', 'x')
  const value = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('All', 'true', '0', 'Strict', '1h2.5m'))
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), fc.boolean(), (pairs, isApply) => {
      const query = pairs
        .map(([key, text]) => `${key}=${encodeURIComponent(text.replace(/\p{Surrogate}/gu, '?'))}`)
        .join('&')
      const parsed = parseWriteOptions('PatchOptions', requestOf({ query }), isApply)
      if (E.isLeft(parsed)) t.true(['BadRequest', 'Invalid'].includes(parsed.left._tag))
      else t.true(parsed.right.manager.length <= 128)
    }),
  )
  const hostile = `timeout=${'1'.repeat(100_000)}`
  t.true(E.isLeft(parseWriteOptions('CreateOptions', requestOf({ query: hostile }))))
  for (const timeout of ['10s', '1m30s', '-1.5h', '0', '.5s', '100µs']) {
    t.true(
      E.isRight(parseWriteOptions('CreateOptions', requestOf({ query: `timeout=${encodeURIComponent(timeout)}` }))),
    )
  }
})

test('warns in headers that HTTP can carry, and clients can take', (t) => {
  t.deepEqual(warningHeaders([]), {})
  t.deepEqual(warningHeaders(['a "b" \\', 'a "b" \\', 'c\nd', 'é☃']), {
    warning: ['299 - "a \\"b\\" \\\\"', `299 - "${Buffer.from('é☃').toString('latin1')}"`],
  })
  const many = Array.from({ length: 1000 }, (_, index) => `${String(index)} ${'x'.repeat(1000)}`)
  const { warning = [] } = warningHeaders(many)
  t.is(warning.length, 16)
  t.true([...warning].every((text) => text.length <= 256 + 8))
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (texts) => {
      for (const text of warningHeaders(texts).warning ?? []) t.regex(text, /^[\x20-\x7e\x80-\xff]*$/)
    }),
  )
})
