import { readArrowFile } from './arrow-file.ts'
import { viewOf } from './column-batch.ts'
import { readColumns, writeColumn } from './column.ts'
import { writeEntities } from './entities.ts'
import { isJson, skipSpace } from '../api/json-scan.ts'
import { writeNanos } from './nanos.ts'
import { writeBytes, writeText, type Chunks, type Output } from './output.ts'
import { refuse } from './refuse.ts'
import { readSchema } from './schema.ts'

/** A frame that passed every check. May be written any number of times. */
export type WriteFrame = (out: Output) => Chunks

export const arrowFrame = (bytes: Uint8Array): WriteFrame => {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const arrow = readArrowFile(file)
  const schema = readSchema(arrow.schema)
  const columns = readColumns(file, arrow, schema)
  return function* (out) {
    yield* writeText(`{"schema":${schema.json},"data":{"values":[`, out)
    for (const [index, column] of columns.entries()) {
      if (index > 0) yield* writeText(',', out)
      yield* writeColumn(column, out)
    }
    yield* writeText(']', out)
    yield* writeEntities(columns, out)
    yield* writeNanos(columns, out)
    yield* writeText('}}', out)
  }
}

const isSpace = (byte: number | undefined): boolean => byte !== undefined && [0x20, 0x0a, 0x0d, 0x09].includes(byte)

/** The plugin's own JSON, without the white space around it. Checked for being one object, not for being a data frame. */
export const jsonFrame = (bytes: Uint8Array): WriteFrame => {
  const view = viewOf(bytes)
  const start = skipSpace(view, 0, bytes.length)
  let end = bytes.length
  while (end > start && isSpace(bytes[end - 1])) end--
  if (bytes[start] !== 0x7b || !isJson(view, start, end)) return refuse('expected the bytes to be one JSON object')
  const object = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start)
  return (out) => writeBytes(object, out)
}
