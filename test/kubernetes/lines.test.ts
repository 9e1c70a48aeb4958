import { deepStrictEqual } from 'node:assert'

import test from 'ava'
import fc from 'fast-check'

import { createLines } from '../../src/kubernetes/lines.ts'

const split = (bytes: Buffer, sizes: ReadonlyArray<number>, limitBytes = 1000): ReadonlyArray<string> | undefined => {
  const lines = createLines(limitBytes)
  const all: Array<string> = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    const ended = lines.push(bytes.subarray(at, at + size))
    if (ended === undefined) return undefined
    all.push(...ended)
    at += size
  }
  return all
}

test('gives the same lines however the bytes are cut, and never what has no line feed', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', 'é', '漢', '😀', '\n', '\r')),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (letters, sizes) => {
        const bytes = Buffer.from(letters.join(''))
        deepStrictEqual(split(bytes, sizes), bytes.toString().split('\n').slice(0, -1))
      },
    ),
  )
  t.pass()
})

test('takes a line that is as long as any may be, whole or in pieces, and no longer one', (t) => {
  for (const size of [1, 7, 5000]) {
    t.deepEqual(split(Buffer.from(`a\n${'b'.repeat(1000)}\nc\n`), [size]), ['a', 'b'.repeat(1000), 'c'])
    t.is(split(Buffer.from(`a\n${'b'.repeat(1001)}\nc\n`), [size]), undefined)
    t.is(split(Buffer.from('b'.repeat(1001)), [size]), undefined)
  }
})

test('holds a long line of tiny chunks in no more than twice its bytes', (t) => {
  const lines = createLines(16 * 1024 * 1024)
  const chunk = Buffer.from('abcdefgh')
  const before = process.memoryUsage().arrayBuffers
  for (let at = 0; at < 8 * 1024 * 1024; at += chunk.length) lines.push(chunk)
  t.true(process.memoryUsage().arrayBuffers - before < 40 * 1024 * 1024)
  t.is(lines.push(Buffer.from('\n'))?.[0]?.length, 8 * 1024 * 1024)
})
