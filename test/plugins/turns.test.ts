import { Readable } from 'node:stream'

import test from 'ava'

import { takeInTurns } from '../../src/plugins/turns.ts'
import { settle } from './_setup.ts'

test('gives others a turn between the pieces of a chunk, and between chunks', async (t) => {
  const chunks = [Buffer.alloc(150_000, 'a'), Buffer.alloc(10, 'b')]
  const stream = Readable.from(chunks)
  const sizes: Array<number> = []
  const taken: Array<Buffer> = []
  stream.on('data', (chunk: Buffer) => {
    takeInTurns(stream, chunk, (piece) => taken.push(piece))
  })
  const ended = new Promise((resolve) => stream.once('end', resolve))
  while (taken.length < 4) {
    sizes.push(taken.length)
    await settle()
  }
  await ended
  t.true([1, 2, 3].every((size) => sizes.includes(size)))
  t.deepEqual(Buffer.concat(taken), Buffer.concat(chunks))
  t.true(taken.every(({ length }) => length <= 64 * 1024))
})
