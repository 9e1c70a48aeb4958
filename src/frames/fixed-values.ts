import { isNull, type ColumnBatch } from './column-batch.ts'
import { writeFloat32 } from './float32.ts'
import { writeFloat64 } from './float64.ts'
import { quotientOfMillion, writeInt, writeInt64, writeUint, writeUint64 } from './integer.ts'
import type { Output } from './output.ts'

/**
 * Writes rows from `from` on, at most up to `to`, each with a comma behind it; gives the row where it stopped. May stop early,
 * even at once: then the row is too long for one step.
 */
export type WriteRows = (batch: ColumnBatch, from: number, to: number, out: Output) => number

type WriteValue = (batch: ColumnBatch, row: number, view: DataView, position: number) => number

const COMMA = 0x2c
const NULL = 0x6c6c_756e // little-endian, as the words below
const TRUE = 0x6575_7274
const FALS = 0x736c_6166

export const writeNull = (view: DataView, position: number): number => {
  view.setUint32(position, NULL, true)
  return position + 4
}

/** NaN and the infinities: all bits of the exponent set. */
export const isSpecial64 = (high: number): boolean => (high & 0x7ff0_0000) === 0x7ff0_0000
export const isSpecial32 = (bits: number): boolean => (bits & 0x7f80_0000) === 0x7f80_0000

const rowsOf =
  (writeValue: WriteValue): WriteRows =>
  (batch, from, to, out) => {
    const view = out.view
    let position = out.position
    for (let row = from; row < to; row++) {
      position = isNull(batch, row) ? writeNull(view, position) : writeValue(batch, row, view, position)
      view.setUint8(position++, COMMA)
    }
    out.position = position
    return to
  }

export const writeInt8s = rowsOf((batch, row, view, position) =>
  writeInt(view, position, batch.view.getInt8(batch.values + row)),
)
export const writeInt16s = rowsOf((batch, row, view, position) =>
  writeInt(view, position, batch.view.getInt16(batch.values + 2 * row, true)),
)
export const writeInt32s = rowsOf((batch, row, view, position) =>
  writeInt(view, position, batch.view.getInt32(batch.values + 4 * row, true)),
)
export const writeUint8s = rowsOf((batch, row, view, position) =>
  writeUint(view, position, batch.view.getUint8(batch.values + row)),
)
export const writeUint16s = rowsOf((batch, row, view, position) =>
  writeUint(view, position, batch.view.getUint16(batch.values + 2 * row, true)),
)
export const writeUint32s = rowsOf((batch, row, view, position) =>
  writeUint(view, position, batch.view.getUint32(batch.values + 4 * row, true)),
)

export const writeInt64s = rowsOf(({ view: source, values }, row, view, position) => {
  const at = values + 8 * row
  return writeInt64(view, position, source.getInt32(at + 4, true), source.getUint32(at, true))
})

export const writeUint64s = rowsOf(({ view: source, values }, row, view, position) => {
  const at = values + 8 * row
  return writeUint64(view, position, source.getUint32(at + 4, true), source.getUint32(at, true))
})

export const writeBooleans = rowsOf(({ view: source, values }, row, view, position) => {
  if (((source.getUint8(values + (row >> 3)) >> (row & 7)) & 1) === 1) {
    view.setUint32(position, TRUE, true)
    return position + 4
  }
  view.setUint32(position, FALS, true)
  view.setUint8(position + 4, 0x65)
  return position + 5
})

export const writeFloats = rowsOf(({ view: source, values }, row, view, position) => {
  const at = values + 4 * row
  const bits = source.getInt32(at, true)
  return isSpecial32(bits) ? writeNull(view, position) : writeFloat32(view, position, source.getFloat32(at, true), bits)
})

// The two kernels below are most of all work. They are loops of their own: `rowsOf` calls through a function value, which V8
// inlines no more once it has seen several.

export const writeDoubles: WriteRows = (batch, from, to, out) => {
  const view = out.view
  const source = batch.view
  let position = out.position
  for (let row = from; row < to; row++) {
    const at = batch.values + 8 * row
    const high = source.getInt32(at + 4, true)
    position =
      isSpecial64(high) || isNull(batch, row)
        ? writeNull(view, position)
        : writeFloat64(view, position, source.getFloat64(at, true), high)
    view.setUint8(position++, COMMA)
  }
  out.position = position
  return to
}

/** Milliseconds, rounded down also before 1970. */
export const writeTimes: WriteRows = (batch, from, to, out) => {
  const view = out.view
  const source = batch.view
  let position = out.position
  for (let row = from; row < to; row++) {
    const at = batch.values + 8 * row
    position = isNull(batch, row)
      ? writeNull(view, position)
      : writeInt(view, position, quotientOfMillion(source.getInt32(at + 4, true), source.getUint32(at, true)))
    view.setUint8(position++, COMMA)
  }
  out.position = position
  return to
}
