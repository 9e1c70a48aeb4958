import test from 'ava'

import { Binary, Float32, Float64, TimestampNanosecond, Utf8, Utf8View } from 'apache-arrow'
import { bodyOf, chunksOf, frameJson, response } from './answer.ts'
import { arrowFile } from './arrow.ts'
import { encodeFrame, encodeQueryData } from '../../src/frames/index.ts'
import { output } from '../../src/frames/output.ts'
import { E } from '../../src/fp.ts'

const CHUNK_LIMIT = 256 * 1024

const sizesOf = (frames: ReadonlyArray<Buffer>, format: 'arrow' | 'json' = 'arrow'): ReadonlyArray<number> => {
  const chunks = chunksOf(new Map([['A', response({ frames, format })]]))
  return E.isLeft(chunks) ? [] : chunks.right.map(({ length }) => length)
}

const numbers = (rows: number): Buffer =>
  arrowFile([{ name: 'v', type: new Float64(), values: Array.from({ length: rows }, (_, row) => row / 7) }])

test('makes one chunk of a small answer', (t) => {
  t.is(sizesOf([]).length, 1)
  t.is(sizesOf([numbers(100), numbers(1000)]).length, 1)
  t.is(sizesOf([Buffer.from(`{"a":"${'x'.repeat(60_000)}"}`)], 'json').length, 1)
})

test('begins no answer with what a writer that threw has left (S9)', (t) => {
  const whole = sizesOf([numbers(10)])
  output.position = 100
  t.deepEqual(sizesOf([numbers(10)]), whole)
  output.position = 100
  const frame = encodeFrame(Buffer.from('{}'), 'json')
  t.deepEqual(E.isRight(frame) ? [...frame.right].map(String) : frame, ['{}'])
})

test('makes chunks of 64 to 256 KiB of a large answer', (t) => {
  const sizes = sizesOf([numbers(100_000), numbers(10), numbers(50_000)])
  t.true(sizes.length > 10)
  for (const size of sizes.slice(0, -1)) t.true(size >= 64 * 1024 && size <= CHUNK_LIMIT, String(size))
})

test('breaks long strings, names and JSON into chunks, whatever their escapes', (t) => {
  const long = ['\u0001', 'é', '"', '😀<', 'x'].map((unit) => unit.repeat(150_001))
  const strings = [...long, null, 'short', '']
  const json = long.map((text) => Buffer.from(`[${JSON.stringify(text)}]`))
  const columns = [
    { name: 'n'.repeat(300_000), type: new Utf8(), values: strings },
    { name: 'view', type: new Utf8View(), values: strings },
    {
      name: 'json',
      type: new Binary(),
      values: [...json, Buffer.from(`[${'1,'.repeat(50_000)}`), null, Buffer.from('1')],
    },
  ]
  const file = arrowFile(columns)
  const sizes = sizesOf([file])
  t.true(sizes.length > 20)
  t.true(Math.max(...sizes) <= CHUNK_LIMIT)
  const frame: unknown = JSON.parse(frameJson(file).toString())
  t.like(frame, {
    schema: { fields: [{ name: 'n'.repeat(300_000) }, { name: 'view' }, { name: 'json' }] },
    data: { values: [strings, strings, [...long.map((text) => [text]), null, null, 1]] },
  })
})

test('hands large JSON frames on in chunks', (t) => {
  const frame = Buffer.from(`{"a":"${'x'.repeat(1_000_000)}"}`)
  const sizes = sizesOf([frame, Buffer.from('{}'), frame], 'json')
  t.true(sizes.length > 10)
  t.true(Math.max(...sizes) <= CHUNK_LIMIT)
  const body = bodyOf(new Map([['A', response({ frames: [frame, Buffer.from('{}'), frame], format: 'json' })]]))
  t.is(body.toString(), `{"results":{"A":{"status":200,"frames":[${String(frame)},{},${String(frame)}]}}}\n`)
})

test('breaks entities and nanos into chunks too', (t) => {
  const rows = 100_000
  const specials = [NaN, Infinity, -Infinity, 1]
  const columns = [
    { name: 'v', type: new Float64(), values: Array.from({ length: rows }, (_, row) => specials[row % 4]) },
    { name: 'f', type: new Float32(), values: Array.from({ length: rows }, (_, row) => specials[(row + 1) % 4]) },
    { name: 't', type: new TimestampNanosecond(), values: Array.from({ length: rows }, (_, row) => BigInt(row)) },
  ]
  const file = arrowFile(columns, { cuts: [1, 70_000] })
  const parsed: unknown = JSON.parse(frameJson(file).toString())
  const indexes = (offset: number): ReadonlyArray<number> => Array.from({ length: rows / 4 }, (_, n) => 4 * n + offset)
  t.like(parsed, {
    data: {
      entities: [
        { NaN: indexes(0), Inf: indexes(1), NegInf: indexes(2) },
        { NaN: indexes(3), Inf: indexes(0), NegInf: indexes(1) },
        null,
      ],
      nanos: [null, null, Array.from({ length: rows }, (_, row) => row)],
    },
  })
  t.true(Math.max(...sizesOf([file])) <= CHUNK_LIMIT)
})

test('gives the same bytes when answers are pulled in turns, again, or not to the end', (t) => {
  const answers = [numbers(60_000), numbers(50_001), numbers(10)].map((frame) => {
    const responses = new Map([['A', response({ frames: [frame] })]])
    return { expected: bodyOf(responses), made: encodeQueryData({ responses }) }
  })
  const iterators = answers.flatMap(({ made, expected }) =>
    E.isLeft(made) ? [] : [{ iterator: made.right[Symbol.iterator](), expected, chunks: new Array<Buffer>() }],
  )
  t.is(iterators.length, 3)
  for (const { made } of answers) if (E.isRight(made)) made.right[Symbol.iterator]().next()
  for (let turn = 0; turn < 100; turn++)
    for (const { iterator, chunks } of iterators) {
      const next = iterator.next()
      if (next.done !== true) chunks.push(next.value)
    }
  for (const { chunks, expected } of iterators) t.true(Buffer.concat(chunks).equals(expected))
})
