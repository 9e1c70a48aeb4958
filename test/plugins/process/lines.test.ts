import test from 'ava'
import fc from 'fast-check'

import { createLineSplitter } from '../../../src/plugins/process/lines.ts'

const split = (chunks: ReadonlyArray<Buffer>, limitBytes?: number): Array<string> => {
  const lines: Array<string> = []
  const splitter = createLineSplitter((line) => lines.push(line), limitBytes)
  for (const chunk of chunks) splitter.push(chunk)
  splitter.end()
  return lines
}

const table: ReadonlyArray<readonly [string, ReadonlyArray<string>, ReadonlyArray<string>]> = [
  ['nothing', [], []],
  ['one line', ['a\n'], ['a']],
  ['a line without its end', ['a'], ['a']],
  ['two lines in one chunk', ['a\nb\n'], ['a', 'b']],
  ['a line in three chunks', ['a', 'b', 'c\n'], ['abc']],
  ['empty lines', ['\n\n'], ['', '']],
  ['a line that ends in CR LF', ['a\r\nb'], ['a', 'b']],
  ['a lone CR, which ends nothing', ['a\rb\n'], ['a\rb']],
  ['a line as long as the limit', ['12345678\n', 'a'], ['12345678', 'a']],
  ['a longer line, in pieces', ['1234567890\n'], ['12345678', '90']],
  ['a longer line over chunks', ['12345', '67890', '\n'], ['12345678', '90']],
  ['a flood', ['1'.repeat(20)], ['11111111', '11111111', '1111']],
]

for (const [what, chunks, lines] of table) {
  test(`splits ${what}`, (t) => {
    const given = chunks.map((chunk) => Buffer.from(chunk))
    t.deepEqual(split(given, 8), lines)
  })
}

test('decodes a character that was cut in two', (t) => {
  const bytes = Buffer.from('né\n')
  t.deepEqual(split([bytes.subarray(0, 2), bytes.subarray(2)]), ['né'])
})

test('replaces what is no UTF-8', (t) => {
  t.deepEqual(split([Buffer.from([0x61, 0xff, 0x0a])]), ['a\ufffd'])
})

test('loses and invents no byte, however the chunks fall', (t) => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 12 })), (chunks) => {
      const lines = split(
        chunks.map((chunk) => Buffer.from(chunk)),
        8,
      )
      t.is(lines.join(''), chunks.join('').replaceAll('\n', ''))
      t.true(lines.every((line) => line.length <= 8))
    }),
  )
})
