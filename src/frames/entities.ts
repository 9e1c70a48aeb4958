import { isNull, type ColumnBatch } from './column-batch.ts'
import { writeColumn, type Column } from './column.ts'
import type { WriteRows } from './fixed-values.ts'
import { writeUint } from './integer.ts'
import { writeText, type Chunks, type Output } from './output.ts'

const COMMA = 0x2c

/** Floats that JSON has no word for, in the order of their lists. */
const SPECIALS = [
  ['NaN', NaN],
  ['Inf', Infinity],
  ['NegInf', -Infinity],
] as const

const valueAt = ({ view, values }: ColumnBatch, row: number, bits: 32 | 64): number =>
  bits === 64 ? view.getFloat64(values + 8 * row, true) : view.getFloat32(values + 4 * row, true)

const findSpecials = ({ type: { floatBits }, batches }: Column): ReadonlySet<number> => {
  const found = new Set<number>()
  if (floatBits === undefined) return found
  for (const batch of batches)
    for (let row = 0; row < batch.rows; row++) {
      const value = valueAt(batch, row, floatBits)
      if (!isFinite(value) && !isNull(batch, row)) found.add(value)
    }
  return found
}

/** Lists the rows that hold `special`; `firstRow` is the batch's place in its column. */
const indexesOf =
  (special: number, bits: 32 | 64, firstRows: ReadonlyMap<ColumnBatch, number>): WriteRows =>
  (batch, from, to, out) => {
    const firstRow = firstRows.get(batch) ?? 0
    for (let row = from; row < to; row++)
      if (Object.is(valueAt(batch, row, bits), special) && !isNull(batch, row)) {
        out.position = writeUint(out.view, out.position, firstRow + row)
        out.view.setUint8(out.position++, COMMA)
      }
    return to
  }

function* writeLists(column: Column, specials: ReadonlySet<number>, bits: 32 | 64, out: Output): Chunks {
  const firstRows = new Map<ColumnBatch, number>()
  let rows = 0
  for (const batch of column.batches) {
    firstRows.set(batch, rows)
    rows += batch.rows
  }
  let separator = '{'
  for (const [name, special] of SPECIALS) {
    if (!specials.has(special)) continue
    yield* writeText(`${separator}"${name}":`, out)
    yield* writeColumn(column, out, indexesOf(special, bits, firstRows))
    separator = ','
  }
  yield* writeText('}', out)
}

/** The member `entities`: which rows hold NaN and the infinities that `values` shows as null. Absent if none does. */
export function* writeEntities(columns: ReadonlyArray<Column>, out: Output): Chunks {
  const found = columns.map(findSpecials)
  if (found.every((specials) => specials.size === 0)) return
  let separator = ',"entities":['
  for (const [index, column] of columns.entries()) {
    const specials = found[index]
    const bits = column.type.floatBits
    yield* writeText(separator, out)
    if (specials === undefined || specials.size === 0 || bits === undefined) yield* writeText('null', out)
    else yield* writeLists(column, specials, bits, out)
    separator = ','
  }
  yield* writeText(']', out)
}
