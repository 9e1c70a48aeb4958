import test from 'ava'
import fc from 'fast-check'

import { protocol } from '../../../src/plugins/grpc/proto.ts'
import { isWithin, shapes, type Shape } from '../../../src/plugins/grpc/scan.ts'
import { definitionsForTests } from './_wire.ts'

const wire = definitionsForTests()
const { queryData } = protocol()
const queryDataResponse: Shape = shapes.QueryDataResponse

const delimited = (field: number, ...bytes: ReadonlyArray<number>): ReadonlyArray<number> => [
  field * 8 + 2,
  bytes.length,
  ...bytes,
]
const response = (...bytes: ReadonlyArray<number>): Buffer => Buffer.from(delimited(1, ...delimited(2, ...bytes)))
const frame = delimited(1)

for (const [what, bytes, most] of [
  ['nothing', Buffer.alloc(0), 0],
  ['frames of one response', response(...frame, ...frame, ...frame), 3],
  ['frames of all responses', Buffer.concat([response(...frame, ...frame), response(...frame, ...frame)]), 4],
  ['responses', Buffer.concat([response(), response(), response()]), 3],
  ['values of one response', Buffer.from(delimited(1, ...delimited(2), ...delimited(2))), 2],
  ['texts of which the last one counts', response(...delimited(2), ...delimited(2)), 2],
  ['no fields that nobody knows', response(0x78, 0x01, 0x78, 0x01, 0x7a, 0x00, 0x7d, 0, 0, 0, 0), 1],
] as const) {
  test(`counts ${what}`, (t) => {
    t.true(isWithin(most, queryDataResponse, bytes))
    if (most > 0) t.false(isWithin(most - 1, queryDataResponse, bytes))
  })
}

test('counts warnings', (t) => {
  const bytes = wire('pluginv2.MutationResponse').serialize({
    allowed: true,
    warnings: ['a', 'b'],
    result: { code: -1 },
  })
  t.true(isWithin(2, shapes.MutationResponse, bytes))
  t.false(isWithin(1, shapes.MutationResponse, bytes))
})

test('stops at the limit, whatever comes after it', (t) => {
  t.false(isWithin(1, queryDataResponse, Buffer.concat([response(), response(), Buffer.from([0xff])])))
})

for (const [what, bytes] of [
  ['a tag that ends too early', Buffer.from([0x8a])],
  ['a tag of six bytes', Buffer.from([0x8a, 0x80, 0x80, 0x80, 0x80, 0x00, 0x00])],
  ['a tag over 32 bits', Buffer.from([0x8a, 0x80, 0x80, 0x80, 0x70, 0x00])],
  ['a missing length', Buffer.from([0x0a])],
  ['a length past the end', Buffer.from([0x0a, 0x02, 0x00])],
  ['a length past the end of what holds it', Buffer.from([0x0a, 0x02, 0x12, 0x02, 0x0a, 0x00])],
  ['a frame that is a number', response(0x08, 0x00)],
  ['a status that is bytes', response(...delimited(4))],
  ['a status of six bytes', response(0x20, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00)],
  ['a number without an end', response(0x78, 0x80)],
  ['a number of eleven bytes', response(0x78, ...Array.from({ length: 10 }, () => 0x80), 0x00)],
  ['a group', response(0x7b, 0x7c)],
  ['half of a fixed number', response(0x79, 0x00)],
] as const) {
  test(`throws for ${what}`, (t) => {
    t.throws(() => isWithin(10, queryDataResponse, bytes), {
      instanceOf: RangeError,
      message: /^malformed at byte \d+$/,
    })
  })
}

test('takes what an encoder writes', (t) => {
  const text = fc.string()
  const status = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
  const frames = fc.array(fc.uint8Array().map((bytes) => Buffer.from(bytes)))
  const one = fc.record({ frames, error: text, errorSource: text, status, format: fc.constantFrom(0, 1) })
  fc.assert(
    fc.property(fc.dictionary(text, one, { maxKeys: 5 }), (responses) => {
      const bytes = wire('pluginv2.QueryDataResponse').serialize({ responses })
      t.true(isWithin(1000, queryDataResponse, bytes))
    }),
  )
})

test('lets protobufjs find no more than was counted, however the bytes are bent', (t) => {
  const byte = fc.constantFrom(0x00, 0x01, 0x02, 0x04, 0x08, 0x0a, 0x0b, 0x12, 0x20, 0x22, 0x3a, 0x78, 0x7a, 0x80, 0xff)
  const inner = fc.array(byte, { maxLength: 40 })
  const limit = 2
  let read = 0
  fc.assert(
    fc.property(inner, (bytes) => {
      const bent = response(...bytes)
      try {
        if (!isWithin(limit, queryDataResponse, bent)) return
        const { responses } = queryData.deserialize(bent)
        const frames = responses.map(({ value }) => value?.frames.length ?? 0)
        read += 1
        t.true(responses.length <= limit && frames.reduce((sum, count) => sum + count, 0) <= limit)
      } catch (error) {
        t.true(error instanceof Error)
      }
    }),
    { numRuns: 2000 },
  )
  t.true(read > 0)
})

interface Definition {
  readonly name: string
  readonly field: ReadonlyArray<{ readonly number: number; readonly type: string; readonly typeName: string }>
  readonly nestedType: ReadonlyArray<Definition>
}
const definitionOf = (name: string): Definition => wire(`pluginv2.${name}`).type as Definition

/** The wire types of a message by field number, and of the messages in it, as its .proto has them. */
const wireTypesOf = ({ field, nestedType }: Definition): unknown =>
  Object.fromEntries(
    field.map(({ number, type, typeName }) => {
      if (['TYPE_INT32', 'TYPE_BOOL', 'TYPE_ENUM'].includes(type)) return [number, 0]
      if (type !== 'TYPE_MESSAGE') return [number, 2]
      return [number, wireTypesOf(nestedType.find(({ name }) => name === typeName) ?? definitionOf(typeName))]
    }),
  )
const wireTypes = (shape: Shape): unknown =>
  Object.fromEntries(
    Object.entries(shape).map(([number, { wireType, message }]) => [number, message ? wireTypes(message) : wireType]),
  )

for (const [name, shape] of Object.entries(shapes)) {
  const definitions = name === 'StreamResponse' ? ['SubscribeStreamResponse', 'PublishStreamResponse'] : [name]
  test(`knows the fields that the .proto file has in ${definitions.join(' and ')}`, (t) => {
    for (const definition of definitions) t.deepEqual(wireTypes(shape), wireTypesOf(definitionOf(definition)))
  })
}

test('counts each field on its own, however many shapes know it', (t) => {
  const fields = new Set<unknown>()
  const visit = (shape: Shape): void => {
    for (const field of Object.values(shape)) {
      t.false(fields.has(field))
      fields.add(field)
      if (field.message !== undefined) visit(field.message)
    }
  }
  for (const shape of Object.values(shapes)) {
    fields.clear()
    visit(shape)
  }
  t.pass()
})
