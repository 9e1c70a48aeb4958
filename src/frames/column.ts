import type { ArrowFile } from './arrow-file.ts'
import { readColumn, viewOf, type BatchCursor, type ColumnBatch } from './column-batch.ts'
import type { ColumnType } from './column-type.ts'
import type { WriteRows } from './fixed-values.ts'
import { isFull, takeChunk, type Chunks, type Output } from './output.ts'
import { refuse } from './refuse.ts'
import type { FrameSchema } from './schema.ts'

/** A field's values, checked to the last offset. */
export interface Column {
  readonly type: ColumnType
  readonly rows: number
  readonly batches: ReadonlyArray<ColumnBatch>
}

/** Small enough for one step of output; also, V8 optimizes a loop that begins anew sooner than one that runs for long. */
const STEP_ROWS = 1024

const OPEN = 0x5b
const CLOSE = 0x5d

/** Reads the columns of all batches. As in Grafana, columns must be equally long in the end, not in each batch. */
export const readColumns = (bytes: Buffer, { batches }: ArrowFile, schema: FrameSchema): ReadonlyArray<Column> => {
  const file = schema.isBigEndian ? Buffer.from(bytes) : bytes
  const view = viewOf(file)
  const columns = schema.fields.map(({ type }) => ({ type, rows: 0, batches: new Array<ColumnBatch>() }))
  for (const batch of batches) {
    const cursor: BatchCursor = {
      file,
      view,
      batch,
      isBigEndian: schema.isBigEndian,
      node: 0,
      buffer: 0,
      viewColumn: 0,
      end: 0,
    }
    schema.fields.forEach(({ type, isNullable }, index) => {
      const part = readColumn(cursor, type.layout, isNullable)
      const column = columns[index]
      column?.batches.push(part)
      if (column !== undefined) column.rows += part.rows
    })
  }
  const rows = columns[0]?.rows ?? 0
  return columns.every((column) => column.rows === rows) ? columns : refuse('expected columns of one length')
}

function* writeBatch(batch: ColumnBatch, write: WriteRows, writeLong: ColumnType['writeLong'], out: Output): Chunks {
  for (let row = 0; row < batch.rows;) {
    if (isFull(out)) yield takeChunk(out)
    const next = write(batch, row, Math.min(row + STEP_ROWS, batch.rows), out)
    if (next > row || writeLong === undefined || isFull(out)) {
      row = next
    } else {
      yield* writeLong(batch, row, out)
      row++
    }
  }
}

/** The column as a JSON array of what `write` makes of its rows: by default the values. */
export function* writeColumn({ type, rows, batches }: Column, out: Output, write = type.write): Chunks {
  out.view.setUint8(out.position++, OPEN)
  for (const batch of batches) yield* writeBatch(batch, write, type.writeLong, out)
  // The last comma is still here: chunks are taken before rows are written, never after.
  if (rows > 0) out.position--
  out.view.setUint8(out.position++, CLOSE)
}
