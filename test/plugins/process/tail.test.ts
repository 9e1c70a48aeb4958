import test from 'ava'
import fc from 'fast-check'

import { createTail } from '../../../src/plugins/process/tail.ts'

const tailOf = (limitBytes: number, ...chunks: ReadonlyArray<string | Buffer>): string => {
  const tail = createTail(limitBytes)
  for (const chunk of chunks) tail.push(Buffer.from(chunk))
  return tail.text()
}

const table: ReadonlyArray<readonly [string, string, ReadonlyArray<string>]> = [
  ['nothing of nothing', '', []],
  ['all of what fits', 'one\ntwo\n', ['one\n', 'two\n']],
  ['whole lines of what does not', 'two\n', ['one\n', 'two2', '\ntwo\n']],
  ['a line that fits exactly', 'exactly\n', ['one\n', 'exactly\n']],
  ['the end of a line that is too long', '56789abc', ['123456', '789abc']],
  ['the end of a long chunk', 'nop', ['a\nbcdefghijklm\nnop']],
  ['the last line rather than nothing', 'bcdefgh\n', ['abcdefgh\n']],
]
for (const [what, expected, chunks] of table) {
  test(`keeps ${what}`, (t) => {
    t.is(tailOf(8, ...chunks), expected)
  })
}

test('begins with a whole character', (t) => {
  t.is(tailOf(4, 'aaéé€'), '€')
  t.is(tailOf(2, Buffer.from([0xff, 0xff, 0xff])), '\ufffd\ufffd')
})

test('keeps the end of whatever comes, in whatever pieces', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom('a', '\n', 'é'), maxLength: 9 })),
      fc.integer({ min: 1, max: 9 }),
      (chunks, limit) => {
        const all = chunks.join('')
        const text = tailOf(limit, ...chunks)
        t.true(all.endsWith(text))
        t.true(Buffer.byteLength(text) <= limit)
        if (Buffer.byteLength(all) <= limit) t.is(text, all)
        else t.true(Buffer.byteLength(text) >= limit - 1 || all.slice(0, -text.length).endsWith('\n'))
      },
    ),
  )
})
