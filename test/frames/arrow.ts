import {
  RecordBatch,
  RecordBatchFileWriter,
  Schema,
  Struct,
  vectorFromArray,
  DataType,
  Field,
  Int64,
  makeData,
  type CompressionType,
  type Data,
} from 'apache-arrow'
import { readArrowFile } from '../../src/frames/arrow-file.ts'
import { readColumns } from '../../src/frames/column.ts'
import { readSchema } from '../../src/frames/schema.ts'

export interface TestColumn {
  readonly name: string
  readonly type: DataType
  readonly values: ReadonlyArray<unknown>
  readonly isNullable?: boolean
  readonly metadata?: ReadonlyMap<string, string>
}

const dataOf = ({ type, values }: TestColumn, from: number, to: number): Data => {
  // Times are given in their own unit; a builder of times would take milliseconds, and lose digits.
  const isTime = DataType.isTimestamp(type)
  const vector = vectorFromArray(values.slice(from, to), isTime ? new Int64() : type)
  const [data = makeData({ type: vector.type })] = vector.data
  return isTime ? data.clone<DataType>(type) : data
}

export interface FileOptions {
  readonly cuts?: ReadonlyArray<number>
  readonly metadata?: Map<string, string>
  readonly compression?: CompressionType
}

/** An Arrow file by another writer than Go's. `cuts` are the rows where new batches begin. */
export const arrowFile = (
  columns: ReadonlyArray<TestColumn>,
  { cuts = [], metadata = new Map(), compression }: FileOptions = {},
): Buffer => {
  const fields = columns.map(
    ({ name, type, isNullable = true, metadata: own }) => new Field(name, type, isNullable, new Map(own)),
  )
  const schema = new Schema(fields, metadata)
  const rows = columns[0]?.values.length ?? 0
  const starts = [0, ...cuts]
  const batches = starts.map((from, index) => {
    const to = starts[index + 1] ?? rows
    const children = columns.map((column) => dataOf(column, from, to))
    return new RecordBatch(schema, makeData({ type: new Struct(fields), length: to - from, nullCount: 0, children }))
  })
  const writer = new RecordBatchFileWriter(compression === undefined ? {} : { compressionType: compression })
  return Buffer.from(writer.writeAll(batches).finish().toUint8Array(true))
}

/** The same file as a writer before Arrow 0.15 framed it: messages with their length alone in front. */
export const withLegacyFraming = (file: Buffer): Buffer => {
  const legacy = Buffer.from(file)
  for (let at = 8; at + 16 < legacy.length; at += 8) {
    if (legacy.readUInt32LE(at) !== 0xffff_ffff) continue
    const length = legacy.readUInt32LE(at + 4)
    const root = legacy.readUInt32LE(at + 8)
    if (length === 0 || length > 0xffff || root > length) continue
    legacy.writeUInt32LE(length + 4, at)
    legacy.writeUInt32LE(root + 4, at + 4)
  }
  return legacy
}

const turn = (bytes: Buffer, bits: number): void => {
  if (bits === 16) bytes.swap16()
  if (bits === 32) bytes.swap32()
  if (bits === 64) bytes.swap64()
}

/** The same file with big-endian values. Its metadata stays little-endian, as always in Arrow. */
export const inBigEndian = (file: Buffer): Buffer => {
  const big = Buffer.from(file)
  const arrow = readArrowFile(big)
  for (const { type, batches } of readColumns(big, arrow, readSchema(arrow.schema)))
    for (const { values, rows } of batches) {
      const bits = type.layout.kind === 'fixed' ? type.layout.bits : 32
      const count = type.layout.kind === 'fixed' ? rows : rows === 0 ? 0 : rows + 1
      turn(big.subarray(values, values + Math.floor((count * bits) / 8)), bits)
    }
  // The writer left out the default endianness: let its slot point to bytes that are not zero.
  const { source, vtable } = arrow.schema
  source.view.setUint16(vtable + 4, 4, true)
  return big
}
