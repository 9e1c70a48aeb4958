import { Binary, Bool, CompressionType, compressionRegistry, Float64, Int32, Utf8, Utf8View } from 'apache-arrow'
import test from 'ava'

import { frameJson, refusal } from './answer.ts'
import { arrowFile, inBigEndian, withLegacyFraming } from './arrow.ts'
import { pairs } from './fixtures.ts'

test('writes the bytes that Grafana writes, for every fixture', (t) => {
  const accepted = pairs.filter(({ json }) => json !== undefined)
  t.true(accepted.length > 90)
  for (const { name, arrow, json } of accepted) {
    t.is(refusal(arrow), '', name)
    t.is(frameJson(arrow).toString('latin1'), json?.toString('latin1') ?? '', name)
  }
})

test('refuses every fixture that Go refuses, and names query and frame', (t) => {
  const refused = pairs.filter(({ json }) => json === undefined)
  t.true(refused.length > 15)
  for (const { name, arrow } of refused) t.regex(refusal(arrow), /^frame 0 of query "A": expected /, name)
})

test('reads files at any offset in memory', (t) => {
  for (const { name, arrow, json } of pairs.filter((pair) => pair.json !== undefined))
    for (const shift of [1, 4]) {
      const memory = Buffer.alloc(arrow.length + 16, 0xff)
      arrow.copy(memory, shift)
      t.true(frameJson(memory.subarray(shift, shift + arrow.length)).equals(json ?? Buffer.alloc(0)), name)
    }
})

test('reads plain Uint8Arrays', (t) => {
  const file = arrowFile([{ name: 'n', type: new Int32(), values: [1, null] }])
  t.deepEqual(frameJson(new Uint8Array(file)), frameJson(file))
})

test('appends batches, and counts entities through them', (t) => {
  const file = arrowFile([{ name: 'v', type: new Float64(), values: [1, NaN, Infinity, null, NaN] }], {
    cuts: [2, 2, 4],
  })
  t.is(
    frameJson(file).toString(),
    '{"schema":{"fields":[{"name":"v","type":"number","typeInfo":{"frame":"float64","nullable":true}}]},' +
      '"data":{"values":[[1,null,null,null,null]],"entities":[{"NaN":[1,4],"Inf":[2]}]}}',
  )
})

test('reads the framing of old writers', (t) => {
  const file = arrowFile([{ name: 's', type: new Utf8(), values: ['a', null, 'b'] }], { cuts: [1] })
  const legacy = withLegacyFraming(file)
  t.false(legacy.equals(file))
  t.deepEqual(frameJson(legacy), frameJson(file))
})

test('reads big-endian values, and leaves the file as it is', (t) => {
  const file = inBigEndian(
    arrowFile([
      { name: 'v', type: new Float64(), values: [0.1, null, -5] },
      { name: 's', type: new Utf8(), values: ['', 'abc', null] },
    ]),
  )
  const before = Buffer.from(file)
  const first = frameJson(file).toString()
  t.true(first.endsWith('"values":[[0.1,null,-5],["","abc",null]]}}'))
  t.is(frameJson(file).toString(), first)
  t.true(file.equals(before))
})

test('reads string views, short and long', (t) => {
  const values = ['', 'twelve bytes', 'thirteen byte', null, 'x'.repeat(100)]
  const file = arrowFile([{ name: 's', type: new Utf8View(), values }])
  t.true(
    frameJson(file)
      .toString()
      .endsWith(`"values":[${JSON.stringify(values)}]}}`),
  )
})

test('ignores null bits of a field that is not nullable', (t) => {
  const file = arrowFile([{ name: 'b', type: new Bool(), values: [true, null], isNullable: false }])
  t.true(frameJson(file).toString().endsWith('"values":[[true,false]]}}'))
})

test('copies raw JSON with its spaces, and makes null of what is none', (t) => {
  const cells = ['{"a": [1, 2]} ', '', '1 2', '1e400', '"\\ud800"', 'nul', '[1,]', '01', null]
  const values = cells.map((cell) => (cell === null ? null : Buffer.from(cell)))
  const file = arrowFile([{ name: 'j', type: new Binary(), values }])
  t.true(
    frameJson(file).toString().endsWith('"values":[[{"a": [1, 2]} ,null,null,null,"\\ud800",null,null,null,null]]}}'),
  )
})

test('takes the first of duplicate metadata keys', (t) => {
  const metadata = new Map([
    ['labels', '{"a":"first"}'],
    ['labelz', '{"a":"second"}'],
  ])
  const file = arrowFile([{ name: 'n', type: new Int32(), values: [1], metadata }])
  const duplicate = Buffer.from(file.toString('latin1').replaceAll('labelz', 'labels'), 'latin1')
  t.true(frameJson(duplicate).toString().includes('"labels":{"a":"first"}}'))
})

test('refuses compressed buffers in plain words', (t) => {
  // No real codec: apache-arrow asks for the magic bytes only.
  const encode = (data: Uint8Array): Uint8Array => Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0, ...data)
  compressionRegistry.set(CompressionType.ZSTD, { encode })
  const column = { name: 'n', type: new Int32(), values: [1, 2, 3] }
  const file = arrowFile([column], { compression: CompressionType.ZSTD })
  t.is(refusal(file), 'frame 0 of query "A": expected uncompressed buffers, got compressed ones')
})

test('passes a JSON frame through, without the space around it', (t) => {
  const frame = '{"schema": {"fields":[]}, "data":{"values":[]}, "x":[1e308, "\\u00e9é"]}'
  t.is(frameJson(Buffer.from(` \n${frame}\t\r\n`), 'json').toString(), frame)
  t.is(frameJson(Buffer.from('{}'), 'json').toString(), '{}')
})

test('refuses JSON frames that are not one object', (t) => {
  for (const text of [
    '',
    ' ',
    '[]',
    'null',
    '"{}"',
    '{}{}',
    '{} x',
    '{"a":1,}',
    '{"a"}',
    "{'a':1}",
    '{"a":\u0001}',
    '{',
  ])
    t.is(refusal(Buffer.from(text), 'json'), 'frame 0 of query "A": expected the bytes to be one JSON object', text)
})

test('refuses JSON frames that are too deep, and takes those that are not', (t) => {
  const nested = (depth: number): Buffer => Buffer.from(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`)
  t.is(refusal(nested(9_999), 'json'), '')
  t.not(refusal(nested(10_000), 'json'), '')
  t.not(refusal(Buffer.from('['.repeat(1e6)), 'json'), '')
})
