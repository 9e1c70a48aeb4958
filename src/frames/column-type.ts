import type { Layout } from './column-batch.ts'
import { int16Field, int32Field, tableField, uint8Field, type FlatTable } from './flatbuffer.ts'
import { refuse } from './refuse.ts'
import {
  writeBooleans,
  writeDoubles,
  writeFloats,
  writeInt16s,
  writeInt32s,
  writeInt64s,
  writeInt8s,
  writeTimes,
  writeUint16s,
  writeUint32s,
  writeUint64s,
  writeUint8s,
  type WriteRows,
} from './fixed-values.ts'
import {
  writeJsonOffsets,
  writeLongJson,
  writeLongOffsets,
  writeLongView,
  writeOffsets,
  writeViews,
  type WriteLongRow,
} from './string-values.ts'

/** What Grafana makes of a column. Source: the plugin SDK's conversion of Arrow fields and `typeInfo` of data frames. */
export interface ColumnType {
  readonly type: 'boolean' | 'enum' | 'number' | 'other' | 'string' | 'time'
  /** The name in `typeInfo.frame`. */
  readonly frame: string
  readonly layout: Layout
  readonly write: WriteRows
  /** Present where a cell may be longer than a step. */
  readonly writeLong?: WriteLongRow
  /** Bits of a floating point column, whose special values are listed apart. */
  readonly floatBits?: 32 | 64
}

const fixed = (bits: 1 | 8 | 16 | 32 | 64): Layout => ({ kind: 'fixed', bits })
const number = (frame: string, bits: 8 | 16 | 32 | 64, write: WriteRows): ColumnType => ({
  type: 'number',
  frame,
  layout: fixed(bits),
  write,
})

const SIGNED: ReadonlyMap<number, ColumnType> = new Map([
  [8, number('int8', 8, writeInt8s)],
  [16, number('int16', 16, writeInt16s)],
  [32, number('int32', 32, writeInt32s)],
  [64, number('int64', 64, writeInt64s)],
])
const UNSIGNED: ReadonlyMap<number, ColumnType> = new Map([
  [8, number('uint8', 8, writeUint8s)],
  [16, number('uint16', 16, writeUint16s)],
  [32, number('uint32', 32, writeUint32s)],
  [64, number('uint64', 64, writeUint64s)],
])
const ENUM: ColumnType = { type: 'enum', frame: 'enum', layout: fixed(16), write: writeUint16s }
const FLOAT32: ColumnType = { ...number('float32', 32, writeFloats), floatBits: 32 }
const FLOAT64: ColumnType = { ...number('float64', 64, writeDoubles), floatBits: 64 }
const BOOLEAN: ColumnType = { type: 'boolean', frame: 'bool', layout: fixed(1), write: writeBooleans }
const TIME: ColumnType = { type: 'time', frame: 'time.Time', layout: fixed(64), write: writeTimes }
const STRING: ColumnType = {
  type: 'string',
  frame: 'string',
  layout: { kind: 'offsets' },
  write: writeOffsets,
  writeLong: writeLongOffsets,
}
const STRING_VIEW: ColumnType = { ...STRING, layout: { kind: 'views' }, write: writeViews, writeLong: writeLongView }
const RAW_JSON: ColumnType = {
  type: 'other',
  frame: 'json.RawMessage',
  layout: { kind: 'offsets' },
  write: writeJsonOffsets,
  writeLong: writeLongJson,
}

/** Arrow's type numbers, in the words of its Schema.fbs. */
const TYPE_NAMES = [
  'None',
  'Null',
  'Int',
  'FloatingPoint',
  'Binary',
  'Utf8',
  'Bool',
  'Decimal',
  'Date',
  'Time',
  'Timestamp',
  'Interval',
  'List',
  'Struct',
  'Union',
  'FixedSizeBinary',
  'FixedSizeList',
  'Map',
  'Duration',
  'LargeBinary',
  'LargeUtf8',
  'LargeList',
  'RunEndEncoded',
  'BinaryView',
  'Utf8View',
  'ListView',
  'LargeListView',
] as const

const unsupported = (name: string): never => refuse(`expected a type that data frames have, got ${name}`)

const intType = (type: FlatTable, isEnum: boolean): ColumnType => {
  const bits = int32Field(type, 0)
  const isSigned = uint8Field(type, 1) !== 0
  if (bits === 16 && !isSigned && isEnum) return ENUM
  return (isSigned ? SIGNED : UNSIGNED).get(bits) ?? unsupported(`an integer of ${String(bits)} bits`)
}

const floatType = (type: FlatTable): ColumnType => {
  const precision = int16Field(type, 0)
  return precision === 1 ? FLOAT32 : precision === 2 ? FLOAT64 : unsupported('a float of half precision')
}

const timestampType = (type: FlatTable): ColumnType => {
  const unit = int16Field(type, 0)
  return unit >= 0 && unit <= 3 ? TIME : unsupported(`a timestamp of unit ${String(unit)}`)
}

/** The type of an Arrow field; a timestamp of any unit and zone is one of nanoseconds in UTC, as Grafana takes it. */
export const columnType = (field: FlatTable, isEnum: boolean): ColumnType => {
  if (tableField(field, 4) !== undefined) return unsupported('Dictionary')
  const number = uint8Field(field, 2)
  const name = TYPE_NAMES[number] ?? String(number)
  const type = tableField(field, 3) ?? refuse('expected a type in the field')
  switch (name) {
    case 'Int':
      return intType(type, isEnum)
    case 'FloatingPoint':
      return floatType(type)
    case 'Binary':
      return RAW_JSON
    case 'Utf8':
      return STRING
    case 'Utf8View':
      return STRING_VIEW
    case 'Bool':
      return BOOLEAN
    case 'Timestamp':
      return timestampType(type)
    default:
      return unsupported(name)
  }
}
