import { isNull, type ColumnBatch } from './column-batch.ts'
import { writeColumn, type Column } from './column.ts'
import type { WriteRows } from './fixed-values.ts'
import { restOfMillion, writeUint } from './integer.ts'
import { writeText, type Chunks, type Output } from './output.ts'

const COMMA = 0x2c

const restAt = ({ view, values }: ColumnBatch, row: number): number => {
  const at = values + 8 * row
  return restOfMillion(view.getInt32(at + 4, true), view.getUint32(at, true))
}

const hasRests = ({ type, batches }: Column): boolean => {
  if (type.type !== 'time') return false
  for (const batch of batches)
    for (let row = 0; row < batch.rows; row++) if (restAt(batch, row) !== 0 && !isNull(batch, row)) return true
  return false
}

const writeRests: WriteRows = (batch, from, to, out) => {
  for (let row = from; row < to; row++) {
    out.position = writeUint(out.view, out.position, isNull(batch, row) ? 0 : restAt(batch, row))
    out.view.setUint8(out.position++, COMMA)
  }
  return to
}

/** The member `nanos`: what times have below the millisecond, for each column that has any. Absent if none does. */
export function* writeNanos(columns: ReadonlyArray<Column>, out: Output): Chunks {
  const found = columns.map(hasRests)
  if (!found.includes(true)) return
  let separator = ',"nanos":['
  for (const [index, column] of columns.entries()) {
    yield* writeText(separator, out)
    if (found[index] === true) yield* writeColumn(column, out, writeRests)
    else yield* writeText('null', out)
    separator = ','
  }
  yield* writeText(']', out)
}
