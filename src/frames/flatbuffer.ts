import { refuse } from './refuse.ts'

/**
 * The bytes of one flatbuffer. Every offset in it comes from the wire, so each access is checked. Offsets may also share:
 * thousands of fields could name one table with a long text. What vectors hold is therefore counted against `left`.
 */
export interface Flatbuffer {
  readonly view: DataView
  readonly bytes: Buffer
  left: number
}

/** A table, read in place. Slots are the field numbers of Arrow's .fbs files, counted from 0. */
export interface FlatTable {
  readonly source: Flatbuffer
  readonly position: number
  readonly vtable: number
  readonly vtableLength: number
}

/** Elements lie at `start + index * size`, all of them inside the flatbuffer. */
export interface FlatVector {
  readonly source: Flatbuffer
  readonly start: number
  readonly length: number
}

/** Writers share short strings at most; a file that is read this often over is made to be large. */
const READS = 16

const inside = ({ bytes }: Flatbuffer, position: number, size: number): number =>
  position >= 0 && position + size <= bytes.length
    ? position
    : refuse(`expected an offset inside ${String(bytes.length)} bytes of Arrow metadata, got ${String(position)}`)

const uint16 = (source: Flatbuffer, position: number): number =>
  source.view.getUint16(inside(source, position, 2), true)
const uint32 = (source: Flatbuffer, position: number): number =>
  source.view.getUint32(inside(source, position, 4), true)
export const int32At = (source: Flatbuffer, position: number): number =>
  source.view.getInt32(inside(source, position, 4), true)

/** A 64-bit integer as a double: beyond 2^53 it is rounded, and fails every bounds check all the same. */
export const int64At = (source: Flatbuffer, position: number): number =>
  int32At(source, position + 4) * 0x1_0000_0000 + uint32(source, position)

const tableAt = (source: Flatbuffer, position: number): FlatTable => {
  const vtable = position - int32At(source, position)
  const vtableLength = uint16(source, vtable)
  inside(source, vtable, vtableLength)
  return { source, position, vtable, vtableLength }
}

export const rootTable = (bytes: Buffer): FlatTable => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const source = { view, bytes, left: READS * bytes.length }
  return tableAt(source, uint32(source, 0))
}

/** Position of a field's bytes, or -1 when the writer left the field at its default. */
const fieldAt = ({ source, position, vtable, vtableLength }: FlatTable, slot: number): number => {
  const entry = 4 + 2 * slot
  if (entry + 2 > vtableLength) return -1
  const offset = uint16(source, vtable + entry)
  return offset === 0 ? -1 : position + offset
}

export const uint8Field = (table: FlatTable, slot: number): number => {
  const position = fieldAt(table, slot)
  return position < 0 ? 0 : table.source.view.getUint8(inside(table.source, position, 1))
}

export const int16Field = (table: FlatTable, slot: number): number => {
  const position = fieldAt(table, slot)
  return position < 0 ? 0 : table.source.view.getInt16(inside(table.source, position, 2), true)
}

export const int32Field = (table: FlatTable, slot: number): number => {
  const position = fieldAt(table, slot)
  return position < 0 ? 0 : int32At(table.source, position)
}

export const int64Field = (table: FlatTable, slot: number): number => {
  const position = fieldAt(table, slot)
  return position < 0 ? 0 : int64At(table.source, position)
}

export const tableField = (table: FlatTable, slot: number): FlatTable | undefined => {
  const position = fieldAt(table, slot)
  return position < 0 ? undefined : tableAt(table.source, position + uint32(table.source, position))
}

/** An absent vector is an empty one. `size` is that of one element in bytes; 4 for offsets to tables. */
export const vectorField = (table: FlatTable, slot: number, size: number): FlatVector => {
  const { source } = table
  const position = fieldAt(table, slot)
  if (position < 0) return { source, start: 0, length: 0 }
  const vector = position + uint32(source, position)
  const length = uint32(source, vector)
  const start = inside(source, vector + 4, length * size)
  source.left -= length * size
  return source.left < 0 ? refuse('expected Arrow metadata whose parts are not shared') : { source, start, length }
}

export const tableInVector = ({ source, start }: FlatVector, index: number): FlatTable => {
  const position = start + 4 * index
  return tableAt(source, position + uint32(source, position))
}

/** A string field's bytes as a binary string, see `text.ts`; absent is empty. */
export const textField = (table: FlatTable, slot: number): string => {
  const { source, start, length } = vectorField(table, slot, 1)
  return length === 0 ? '' : source.bytes.toString('latin1', start, start + length)
}
