import { Int8 } from 'apache-arrow'
import test from 'ava'

import { refusal } from './answer.ts'
import { arrowFile } from './arrow.ts'
import { rootTable, tableField, textField, vectorField } from '../../src/frames/flatbuffer.ts'
import { FrameError } from '../../src/frames/refuse.ts'

/** Root offset, a vtable with one field, the table, whose field points to a vector of `length` bytes. */
const table = (length: number, bytes = 'text'): Buffer => {
  const buffer = Buffer.alloc(24 + bytes.length)
  buffer.writeUInt32LE(12, 0)
  buffer.writeUInt16LE(6, 4)
  buffer.writeUInt16LE(8, 6)
  buffer.writeUInt16LE(4, 8)
  buffer.writeInt32LE(8, 12)
  buffer.writeUInt32LE(4, 16)
  buffer.writeUInt32LE(length, 20)
  buffer.write(bytes, 24)
  return buffer
}

test('reads a field, and defaults where there is none', (t) => {
  const root = rootTable(table(4))
  t.is(textField(root, 0), 'text')
  t.is(textField(root, 1), '')
  t.is(vectorField(root, 9, 4).length, 0)
  t.is(tableField(root, 3), undefined)
})

test('refuses lengths and offsets that lead outside', (t) => {
  const options = { instanceOf: FrameError }
  for (const length of [5, 0x7fff_ffff, 0xffff_ffff]) t.throws(() => textField(rootTable(table(length)), 0), options)
  t.throws(() => vectorField(rootTable(table(4)), 0, 4), options)
  t.throws(() => rootTable(Buffer.alloc(3)), options)
  t.throws(() => rootTable(Buffer.from([0xff, 0xff, 0xff, 0xff])), options)
})

test('refuses to read the same text over and over', (t) => {
  const root = rootTable(table(4))
  t.throws(
    () => {
      for (let round = 0; round < 1_000; round++) textField(root, 0)
    },
    { instanceOf: FrameError, message: 'expected Arrow metadata whose parts are not shared' },
  )
})

test('takes a thousand columns with metadata of their own', (t) => {
  const columns = Array.from({ length: 1_000 }, (_, index) => ({
    name: `c${String(index)}`,
    type: new Int8(),
    values: [1],
    metadata: new Map([['labels', `{"index":"${String(index)}"}`]]),
  }))
  t.is(refusal(arrowFile(columns)), '')
})
