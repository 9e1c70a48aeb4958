import { Readable } from 'node:stream'

import test from 'ava'

import { createTurns } from '../../src/plugins/turns.ts'
import { createManualClock, settle } from './_setup.ts'

test('gives others a turn between the pieces of a chunk, and between chunks', async (t) => {
  const chunks = [Buffer.alloc(150_000, 'a'), Buffer.alloc(10, 'b')]
  const stream = Readable.from(chunks)
  const sizes: Array<number> = []
  const taken: Array<Buffer> = []
  const take = createTurns(stream, (piece) => taken.push(piece))
  stream.on('data', take)
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

test('reads 512 KiB of a stream, and goes on when a tenth of a second is over', async (t) => {
  const { clock, advance, timers } = createManualClock()
  const stream = Readable.from(Array.from({ length: 12 }, () => Buffer.alloc(64 * 1024)))
  let pieces = 0
  stream.on(
    'data',
    createTurns(stream, () => (pieces += 1), clock),
  )
  const ended = new Promise((resolve) => stream.once('end', resolve))
  while (timers.size === 0) await settle()
  await settle()
  t.is(pieces, 8)
  await advance(100)
  await ended
  t.is(pieces, 12)
})
