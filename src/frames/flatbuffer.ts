import { refuse } from './refuse.ts'

/**
 * A table of a flatbuffer, read in place. Every offset comes from the wire, so each access is checked against the view,
 * which holds the flatbuffer and nothing else. Slots are the field numbers of Arrow's .fbs files, counted from 0.
 */
export interface FlatTable {
  readonly view: DataView
  readonly position: number
  readonly vtable: number
  readonly vtableLength: number
}

/** Elements of a vector lie at `start + index * size`, all of them inside the view. */
export interface FlatVector {
  readonly view: DataView
  readonly start: number
  readonly length: number
}

const inside = (view: DataView, position: number, size: number): number =>
  position >= 0 && position + size <= view.byteLength
    ? position
    : refuse(`expected an offset inside ${String(view.byteLength)} bytes of Arrow metadata, got ${String(position)}`)

const uint16 = (view: DataView, position: number): number => view.getUint16(inside(view, position, 2), true)
const int32 = (view: DataView, position: number): number => view.getInt32(inside(view, position, 4), true)
const uint32 = (view: DataView, position: number): number => view.getUint32(inside(view, position, 4), true)

/** A 64-bit integer as a double: beyond 2^53 it is rounded, and fails every bounds check all the same. */
export const int64At = (view: DataView, position: number): number =>
  int32(view, position + 4) * 0x1_0000_0000 + uint32(view, position)

const tableAt = (view: DataView, position: number): FlatTable => {
  const vtable = position - int32(view, position)
  const vtableLength = uint16(view, vtable)
  inside(view, vtable, vtableLength)
  return { view, position, vtable, vtableLength }
}

export const rootTable = (view: DataView): FlatTable => tableAt(view, uint32(view, 0))

/** Position of a field's bytes, or -1 when the writer left the field at its default. */
const fieldAt = ({ view, position, vtable, vtableLength }: FlatTable, slot: number): number => {
  const entry = 4 + 2 * slot
  if (entry + 2 > vtableLength) return -1
  const offset = uint16(view, vtable + entry)
  return offset === 0 ? -1 : position + offset
}

export const uint8Field = (table: FlatTable, slot: number): number => {
  const position = fieldAt(table, slot)
  return position < 0 ? 0 : table.view.getUint8(inside(table.view, position, 1))
}

export const int16Field = (table: FlatTable, slot: number): number => {
  const position = fieldAt(table, slot)
  return position < 0 ? 0 : table.view.getInt16(inside(table.view, position, 2), true)
}

export const int32Field = (table: FlatTable, slot: number): number => {
  const position = fieldAt(table, slot)
  return position < 0 ? 0 : int32(table.view, position)
}

export const int64Field = (table: FlatTable, slot: number): number => {
  const position = fieldAt(table, slot)
  return position < 0 ? 0 : int64At(table.view, position)
}

export const tableField = (table: FlatTable, slot: number): FlatTable | undefined => {
  const position = fieldAt(table, slot)
  return position < 0 ? undefined : tableAt(table.view, position + uint32(table.view, position))
}

/** An absent vector is an empty one. `size` is that of one element in bytes; 4 for offsets to tables. */
export const vectorField = ({ view, ...table }: FlatTable, slot: number, size: number): FlatVector => {
  const position = fieldAt({ view, ...table }, slot)
  if (position < 0) return { view, start: 0, length: 0 }
  const vector = position + uint32(view, position)
  const length = uint32(view, vector)
  return { view, start: inside(view, vector + 4, length * size), length }
}

export const tableInVector = ({ view, start }: FlatVector, index: number): FlatTable => {
  const position = start + 4 * index
  return tableAt(view, position + uint32(view, position))
}

/** A string field's bytes as a binary string, see `text.ts`; absent is empty. */
export const textField = (table: FlatTable, slot: number): string => {
  const { view, start, length } = vectorField(table, slot, 1)
  return Buffer.from(view.buffer, view.byteOffset + start, length).toString('latin1')
}
