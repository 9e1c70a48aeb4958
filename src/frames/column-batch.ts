import type { RecordBatch } from './arrow-file.ts'
import { int64At } from './flatbuffer.ts'
import { refuse } from './refuse.ts'

/**
 * One column's part of one record batch: positions in `view`, every one checked, so that writing can neither fail nor read a
 * byte outside the file.
 */
export interface ColumnBatch {
  readonly view: DataView
  readonly rows: number
  /** Position of the validity bitmap; -1 when every row has a value. */
  readonly validity: number
  /** Position of the values: numbers, bits, offsets or views. */
  readonly values: number
  /** Where the bytes of strings begin: one position for offsets, one for each data buffer of views. */
  readonly data: ReadonlyArray<number>
}

/** How the buffers of a type are laid out; the size of a fixed value in bits. */
export type Layout =
  | { readonly kind: 'fixed'; readonly bits: 1 | 8 | 16 | 32 | 64 }
  | { readonly kind: 'offsets' }
  | { readonly kind: 'views' }

/** Walks the buffers of a batch in the order of the columns. */
export interface BatchCursor {
  /** Big-endian values are turned round in place: then this is a copy. */
  readonly file: Buffer
  readonly view: DataView
  readonly batch: RecordBatch
  readonly isBigEndian: boolean
  node: number
  buffer: number
  viewColumn: number
  /** End of the last buffer. Buffers come in order and share no byte, or a small file could hold endless columns. */
  end: number
}

interface Span {
  readonly start: number
  readonly length: number
}

const VIEW_BYTES = 16
const INLINE_BYTES = 12

const nextBuffer = (cursor: BatchCursor): Span => {
  const { buffers, bodyStart, bodyLength } = cursor.batch
  if (cursor.buffer >= buffers.length) return refuse('expected more buffers in the record batch')
  const entry = buffers.start + 16 * cursor.buffer++
  const offset = int64At(buffers.source, entry)
  const length = int64At(buffers.source, entry + 8)
  if (length === 0) return { start: bodyStart, length }
  if (offset < cursor.end || length < 0 || offset + length > bodyLength)
    return refuse(`expected buffer ${String(cursor.buffer - 1)} to lie inside the body, after the buffer before it`)
  cursor.end = offset + length
  return { start: bodyStart + offset, length }
}

const room = (span: Span, length: number): number =>
  span.length >= length
    ? span.start
    : refuse(`expected a buffer of at least ${String(length)} bytes, got ${String(span.length)}`)

const turnRound = ({ file, isBigEndian }: BatchCursor, start: number, length: number, bits: number): void => {
  if (!isBigEndian || bits <= 8) return
  const values = file.subarray(start, start + length)
  if (bits === 16) values.swap16()
  else if (bits === 32) values.swap32()
  else values.swap64()
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const checkOffsets = (view: DataView, offsets: number, rows: number, dataLength: number): void => {
  let previous = view.getInt32(offsets, true)
  if (previous < 0) refuse('expected string offsets from 0 up')
  for (let row = 1; row <= rows; row++) {
    const offset = view.getInt32(offsets + 4 * row, true)
    if (offset < previous) refuse(`expected string offsets in ascending order, got ${String(offset)}`)
    previous = offset
  }
  if (previous > dataLength) refuse(`expected string offsets up to ${String(dataLength)}, got ${String(previous)}`)
}

const checkViews = (batch: ColumnBatch, lengths: ReadonlyArray<number>): void => {
  for (let row = 0; row < batch.rows; row++) {
    if (isNull(batch, row)) continue
    const at = batch.values + VIEW_BYTES * row
    const length = batch.view.getInt32(at, true)
    if (length < 0) refuse(`expected string views of a positive length, got ${String(length)}`)
    if (length <= INLINE_BYTES) continue
    const offset = batch.view.getInt32(at + 12, true)
    const available = lengths[batch.view.getInt32(at + 8, true)] ?? 0
    if (offset < 0 || offset + length > available) refuse('expected string views inside their data buffers')
  }
}

export const isNull = ({ view, validity }: ColumnBatch, row: number): boolean =>
  validity >= 0 && ((view.getUint8(validity + (row >> 3)) >> (row & 7)) & 1) === 0

const readFixed = (cursor: BatchCursor, rows: number, validity: number, bits: number): ColumnBatch => {
  const length = Math.ceil((rows * bits) / 8)
  const values = room(nextBuffer(cursor), length)
  turnRound(cursor, values, length, bits)
  return { view: cursor.view, rows, validity, values, data: [] }
}

const readOffsets = (cursor: BatchCursor, rows: number, validity: number): ColumnBatch => {
  const offsets = nextBuffer(cursor)
  const data = nextBuffer(cursor)
  const batch = { view: cursor.view, rows, validity, values: offsets.start, data: [data.start] }
  if (rows === 0) return batch
  const length = 4 * (rows + 1)
  turnRound(cursor, room(offsets, length), length, 32)
  checkOffsets(batch.view, batch.values, rows, data.length)
  return batch
}

const readViews = (cursor: BatchCursor, rows: number, validity: number): ColumnBatch => {
  const { viewBufferCounts } = cursor.batch
  if (cursor.viewColumn >= viewBufferCounts.length) return refuse('expected a buffer count for each column of views')
  if (cursor.isBigEndian) return refuse('expected string views to be little-endian')
  const count = int64At(viewBufferCounts.source, viewBufferCounts.start + 8 * cursor.viewColumn++)
  const values = room(nextBuffer(cursor), VIEW_BYTES * rows)
  if (count < 0 || count > cursor.batch.buffers.length)
    return refuse(`expected ${String(count)} buffers of string data`)
  const data = Array.from({ length: count }, () => nextBuffer(cursor))
  const batch = { view: cursor.view, rows, validity, values, data: data.map(({ start }) => start) }
  checkViews(
    batch,
    data.map(({ length }) => length),
  )
  return batch
}

/**
 * Takes the next column out of a batch. As arrow-go: a null count of 0 makes the bitmap not count, and an empty bitmap means
 * no nulls. As Grafana: neither counts in a field that is not nullable.
 */
export const readColumn = (cursor: BatchCursor, layout: Layout, isNullable: boolean): ColumnBatch => {
  const { nodes, rows: batchRows } = cursor.batch
  if (cursor.node >= nodes.length) return refuse('expected a field node for each column')
  const node = nodes.start + 16 * cursor.node++
  const rows = int64At(nodes.source, node)
  if (rows < 0 || rows < batchRows || rows > 0x7fff_ffff)
    return refuse(`expected ${String(batchRows)} rows in each column, got ${String(rows)}`)

  const hasNulls = int64At(nodes.source, node + 8) !== 0
  const bitmap = hasNulls ? nextBuffer(cursor) : undefined
  if (!hasNulls) cursor.buffer++
  const validity = bitmap === undefined || bitmap.length === 0 || !isNullable ? -1 : room(bitmap, Math.ceil(rows / 8))

  if (layout.kind === 'offsets') return readOffsets(cursor, rows, validity)
  if (layout.kind === 'views') return readViews(cursor, rows, validity)
  if (rows > 0) return readFixed(cursor, rows, validity, layout.bits)
  cursor.buffer++
  return { view: cursor.view, rows, validity, values: 0, data: [] }
}
