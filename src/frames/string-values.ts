import { isNull, type ColumnBatch } from './column-batch.ts'
import { writeEscaped } from './escape.ts'
import { writeNull, type WriteRows } from './fixed-values.ts'
import { isJson } from '../api/json-scan.ts'
import { isFull, PIECE_BYTES, takeChunk, writeBytes, type Chunks, type Output } from './output.ts'

const COMMA = 0x2c
const QUOTE = 0x22

/** Longer cells are written piece by piece: an escape makes six bytes of one. */
const CELL_BYTES = PIECE_BYTES / 2

/** Writes the row at which a `WriteRows` stopped at once. */
export type WriteLongRow = (batch: ColumnBatch, row: number, out: Output) => Chunks

const startOfOffsets = ({ view, values, data }: ColumnBatch, row: number): number =>
  (data[0] ?? 0) + view.getInt32(values + 4 * row, true)

const lengthOfOffsets = ({ view, values }: ColumnBatch, row: number): number =>
  view.getInt32(values + 4 * row + 4, true) - view.getInt32(values + 4 * row, true)

const startOfView = ({ view, values, data }: ColumnBatch, row: number): number => {
  const at = values + 16 * row
  return view.getInt32(at, true) <= 12
    ? at + 4
    : (data[view.getInt32(at + 8, true)] ?? 0) + view.getInt32(at + 12, true)
}

const lengthOfView = ({ view, values }: ColumnBatch, row: number): number => view.getInt32(values + 16 * row, true)

type Locate = (batch: ColumnBatch, row: number) => number
type WriteCell = (source: DataView, start: number, length: number, out: Output) => void

const rowsOf =
  (startOf: Locate, lengthOf: Locate, writeCell: WriteCell): WriteRows =>
  (batch, from, to, out) => {
    for (let row = from; row < to; row++) {
      if (isNull(batch, row)) {
        out.position = writeNull(out.view, out.position)
      } else {
        const length = lengthOf(batch, row)
        if (length > CELL_BYTES || isFull(out)) return row
        writeCell(batch.view, startOf(batch, row), length, out)
      }
      out.view.setUint8(out.position++, COMMA)
    }
    return to
  }

const writeString: WriteCell = (source, start, length, out) => {
  out.view.setUint8(out.position++, QUOTE)
  writeEscaped(source, start, start + length, start + length, out)
  out.view.setUint8(out.position++, QUOTE)
}

// Not Buffer's copy: for the few bytes of most cells its call costs more than they do.
const writePlain: WriteCell = (source, start, length, out) => {
  const { view, position } = out
  const end = start + length
  const shift = position - start
  let at = start
  for (; at + 4 <= end; at += 4) view.setInt32(at + shift, source.getInt32(at, true), true)
  for (; at < end; at++) view.setUint8(at + shift, source.getUint8(at))
  out.position = position + length
}

/** JSON goes out as it is, white space included; what is no JSON becomes null. */
const writeJson: WriteCell = (source, start, length, out) => {
  if (isJson(source, start, start + length)) writePlain(source, start, length, out)
  else out.position = writeNull(out.view, out.position)
}

export const writeOffsets = rowsOf(startOfOffsets, lengthOfOffsets, writeString)
export const writeViews = rowsOf(startOfView, lengthOfView, writeString)
export const writeJsonOffsets = rowsOf(startOfOffsets, lengthOfOffsets, writeJson)

const longString = (startOf: Locate, lengthOf: Locate): WriteLongRow =>
  function* (batch, row, out) {
    const start = startOf(batch, row)
    const end = start + lengthOf(batch, row)
    out.view.setUint8(out.position++, QUOTE)
    for (let at = start; at < end;) {
      if (isFull(out)) yield takeChunk(out)
      at = writeEscaped(batch.view, at, Math.min(at + CELL_BYTES, end), end, out)
    }
    out.view.setUint8(out.position++, QUOTE)
    out.view.setUint8(out.position++, COMMA)
  }

export const writeLongOffsets = longString(startOfOffsets, lengthOfOffsets)
export const writeLongView = longString(startOfView, lengthOfView)

export const writeLongJson: WriteLongRow = function* (batch, row, out) {
  const start = startOfOffsets(batch, row)
  const length = lengthOfOffsets(batch, row)
  if (isJson(batch.view, start, start + length))
    yield* writeBytes(Buffer.from(batch.view.buffer, batch.view.byteOffset + start, length), out)
  else out.position = writeNull(out.view, out.position)
  out.view.setUint8(out.position++, COMMA)
}
