import {
  Bool,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Int8,
  TimestampNanosecond,
  Uint16,
  Uint32,
  Uint64,
  Uint8,
  Utf8,
  Utf8View,
  type DataType,
} from 'apache-arrow'
import test from 'ava'
import fc from 'fast-check'

import { frameJson } from './answer.ts'
import { arrowFile } from './arrow.ts'

/** A kind of column with the slow way to write one of its values. */
interface Kind {
  readonly type: DataType
  readonly frame: string
  readonly jsonType: string
  readonly value: fc.Arbitrary<unknown>
  readonly write: (value: unknown) => string
}

const integer = (type: DataType, frame: string, min: bigint, max: bigint): Kind => ({
  type,
  frame,
  jsonType: 'number',
  value: fc.bigInt({ min, max }).map((value) => (frame.endsWith('64') ? value : Number(value))),
  write: String,
})

const signed = (type: DataType, bits: bigint): Kind =>
  integer(type, `int${String(bits)}`, -(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n)
const unsigned = (type: DataType, bits: bigint): Kind => integer(type, `uint${String(bits)}`, 0n, 2n ** bits - 1n)

const writeDouble = (value: unknown): string => {
  if (Object.is(value, -0)) return '-0'
  return Number.isFinite(value) ? String(value).replace(/e([+-])(\d)$/, 'e$10$2') : 'null'
}

/** By trying: the fewest digits that name the value. Ties and powers of two, where this differs, are tested apart. */
const writeFloat = (value: unknown): string => {
  if (typeof value !== 'number' || !Number.isFinite(value) || value === 0) return writeDouble(value)
  for (let digits = 1; ; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return writeDouble(short)
  }
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\\b', '\\u0008'],
  ['\\f', '\\u000c'],
])

const writeString = (value: unknown): string =>
  JSON.stringify(value)
    .replace(/\\./g, (escape) => ESCAPES.get(escape) ?? escape)
    .replace(/[<>&\u2028\u2029]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

const strings = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom('<', '>', '&', '"', '\\', '\u2028', '\u0001', '\b', '\f', '\t', '/', '\x7f', 'x'),
    maxLength: 40,
  }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 200 }),
)

const kinds: ReadonlyArray<Kind> = [
  signed(new Int8(), 8n),
  signed(new Int16(), 16n),
  signed(new Int32(), 32n),
  signed(new Int64(), 64n),
  unsigned(new Uint8(), 8n),
  unsigned(new Uint16(), 16n),
  unsigned(new Uint32(), 32n),
  unsigned(new Uint64(), 64n),
  { type: new Float64(), frame: 'float64', jsonType: 'number', value: fc.double(), write: writeDouble },
  {
    type: new Float32(),
    frame: 'float32',
    jsonType: 'number',
    value: fc.integer({ min: -(10 ** 6), max: 10 ** 6 }).map((digits) => Math.fround(digits / 1000)),
    write: writeFloat,
  },
  { type: new Bool(), frame: 'bool', jsonType: 'boolean', value: fc.boolean(), write: String },
  { type: new Utf8(), frame: 'string', jsonType: 'string', value: strings, write: writeString },
  { type: new Utf8View(), frame: 'string', jsonType: 'string', value: strings, write: writeString },
  {
    type: new TimestampNanosecond(),
    frame: 'time.Time',
    jsonType: 'time',
    value: fc.oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.bigInt({ min: -(10n ** 9n), max: 10n ** 13n }).map((ms) => (ms * 1_000_000n) % 2n ** 62n),
    ),
    write: (value) => (typeof value === 'bigint' ? String((value - restOf(value)) / 1_000_000n) : ''),
  },
]

const column = (rows: number) =>
  fc.constantFrom(...kinds).chain((kind) =>
    fc.record({
      kind: fc.constant(kind),
      values: fc.array(fc.option(kind.value, { freq: 5 }), { minLength: rows, maxLength: rows }),
    }),
  )

const frame = fc.integer({ min: 0, max: 40 }).chain((rows) =>
  fc.record({
    columns: fc.array(column(rows), { minLength: 1, maxLength: 5 }),
    cuts: fc.uniqueArray(fc.integer({ min: 1, max: Math.max(rows - 1, 1) }), { maxLength: rows > 1 ? 3 : 0 }),
  }),
)

const restOf = (value: bigint): bigint => ((value % 1_000_000n) + 1_000_000n) % 1_000_000n

const restsOf = (values: ReadonlyArray<unknown>, kind: Kind): string => {
  const rests = values.map((value) => (kind.jsonType === 'time' && typeof value === 'bigint' ? restOf(value) : 0n))
  return rests.every((rest) => rest === 0n) ? 'null' : `[${rests.join(',')}]`
}

/** A member of `data` that is absent when no column has anything to say. */
const member = (name: string, slots: ReadonlyArray<string>): string =>
  slots.every((slot) => slot === 'null') ? '' : `,"${name}":[${slots.join(',')}]`

const specialsOf = (values: ReadonlyArray<unknown>): string => {
  const lists = [
    ['NaN', NaN],
    ['Inf', Infinity],
    ['NegInf', -Infinity],
  ] as const
  const members = lists.flatMap(([name, special]) => {
    const rows = values.flatMap((value, row) => (Object.is(value, special) ? [row] : []))
    return rows.length === 0 ? [] : [`"${name}":[${rows.join(',')}]`]
  })
  return members.length === 0 ? 'null' : `{${members.join(',')}}`
}

test('writes random columns of every type as the slow way does', (t) => {
  fc.assert(
    fc.property(frame, ({ columns, cuts }) => {
      const file = arrowFile(
        columns.map(({ kind, values }, index) => ({ name: `c${String(index)}`, type: kind.type, values })),
        { cuts: cuts.toSorted((left, right) => left - right) },
      )
      const fields = columns.map(
        ({ kind }, index) =>
          `{"name":"c${String(index)}","type":"${kind.jsonType}","typeInfo":{"frame":"${kind.frame}","nullable":true}}`,
      )
      const values = columns.map(
        ({ kind, values: cells }) => `[${cells.map((cell) => (cell === null ? 'null' : kind.write(cell))).join(',')}]`,
      )
      const entities = member(
        'entities',
        columns.map(({ values: cells }) => specialsOf(cells)),
      )
      const nanos = member(
        'nanos',
        columns.map(({ kind, values: cells }) => restsOf(cells, kind)),
      )
      t.is(
        frameJson(file).toString(),
        `{"schema":{"fields":[${fields.join(',')}]},"data":{"values":[${values.join(',')}]${entities}${nanos}}}`,
      )
    }),
    { numRuns: 800, seed: 1 },
  )
})
