import {
  int32At,
  int64At,
  int64Field,
  rootTable,
  tableField,
  uint8Field,
  vectorField,
  type FlatTable,
  type FlatVector,
} from './flatbuffer.ts'
import { refuse } from './refuse.ts'

/** One record batch. Positions of `buffers` are relative to `bodyStart`; nothing of them is checked yet. */
export interface RecordBatch {
  readonly rows: number
  /** FieldNode structs: int64 length, int64 null count. */
  readonly nodes: FlatVector
  /** Buffer structs: int64 offset, int64 length. */
  readonly buffers: FlatVector
  /** int64 number of data buffers, one entry for each column of views. */
  readonly viewBufferCounts: FlatVector
  readonly bodyStart: number
  readonly bodyLength: number
}

export interface ArrowFile {
  readonly schema: FlatTable
  readonly batches: ReadonlyArray<RecordBatch>
}

const MAGIC = 'ARROW1'
const TRAILER_BYTES = 4 + MAGIC.length
const BLOCK_BYTES = 24
const RECORD_BATCH = 3
const CONTINUATION = 0xffff_ffff

/** `least` is the end of the batch before: batches that share bytes could make endless JSON of a small file. */
const readBatch = (file: Buffer, blocks: FlatVector, index: number, least: number): RecordBatch => {
  const block = blocks.start + index * BLOCK_BYTES
  const offset = int64At(blocks.source, block)
  const metadataLength = int32At(blocks.source, block + 8)
  const bodyLength = int64At(blocks.source, block + 16)
  const bodyStart = offset + metadataLength
  if (offset < least || metadataLength < 16 || bodyLength < 0 || bodyStart + bodyLength > file.length)
    return refuse(`expected record batch ${String(index)} to lie inside the file, after the one before it`)
  if (offset % 8 !== 0 || metadataLength % 8 !== 0 || bodyLength % 8 !== 0)
    return refuse(`expected record batch ${String(index)} to be aligned to 8 bytes`)

  // Writers before Arrow 0.15 put the length first, without the continuation marker.
  const prefix = file.readUInt32LE(offset) === CONTINUATION ? 8 : 4
  const message = rootTable(file.subarray(offset + prefix, bodyStart))
  const header = tableField(message, 2)
  if (uint8Field(message, 1) !== RECORD_BATCH || header === undefined)
    return refuse(`expected message ${String(index)} to be a record batch`)
  if (tableField(header, 3) !== undefined) return refuse('expected uncompressed buffers, got compressed ones')

  return {
    rows: int64Field(header, 0),
    nodes: vectorField(header, 1, 16),
    buffers: vectorField(header, 2, 16),
    viewBufferCounts: vectorField(header, 4, 8),
    bodyStart,
    bodyLength,
  }
}

const readFooter = (file: Buffer): FlatTable => {
  if (file.length <= TRAILER_BYTES + MAGIC.length || file.toString('latin1', file.length - MAGIC.length) !== MAGIC)
    return refuse(`expected an Arrow file, ending in "${MAGIC}"`)
  const end = file.length - TRAILER_BYTES
  const length = file.readUInt32LE(end)
  return length > 0 && length + MAGIC.length <= end
    ? rootTable(file.subarray(end - length, end))
    : refuse(`expected the footer to lie inside the file, got a length of ${String(length)}`)
}

/**
 * Schema and record batches of an Arrow IPC file. As arrow-go: the magic counts at the end of the file only, and the stream
 * format is no file. Fails on dictionaries, which no data frame has, and on compression, which no plugin of the SDK uses.
 */
export const readArrowFile = (file: Buffer): ArrowFile => {
  const footer = readFooter(file)
  const schema = tableField(footer, 1) ?? refuse('expected a schema in the footer')
  if (vectorField(footer, 2, BLOCK_BYTES).length > 0) return refuse('expected a file without dictionaries')
  const blocks = vectorField(footer, 3, BLOCK_BYTES)
  const batches: Array<RecordBatch> = []
  let end = 0
  for (let index = 0; index < blocks.length; index++) {
    const batch = readBatch(file, blocks, index, end)
    batches.push(batch)
    end = batch.bodyStart + batch.bodyLength
  }
  return { schema, batches }
}
