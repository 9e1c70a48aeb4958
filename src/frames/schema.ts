import { columnType, type ColumnType } from './column-type.ts'
import { int16Field, tableInVector, textField, uint8Field, vectorField, type FlatTable } from './flatbuffer.ts'
import { encodeConfig, encodeLabels, encodeMeta } from './metadata.ts'
import { cached } from './text-cache.ts'
import { quote } from './text.ts'

export interface FrameField {
  readonly type: ColumnType
  readonly isNullable: boolean
}

export interface FrameSchema {
  readonly isBigEndian: boolean
  readonly fields: ReadonlyArray<FrameField>
  /** The value of `schema` in the frame's JSON, a binary string. */
  readonly json: string
}

const metaJson = cached(encodeMeta)
const configJson = cached(encodeConfig)
const labelsJson = cached(encodeLabels)

/** The first of duplicate keys counts, as in arrow-go. */
const readMetadata = (table: FlatTable, slot: number, keys: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  const entries = new Map<string, string>()
  const pairs = vectorField(table, slot, 4)
  for (let index = 0; index < pairs.length; index++) {
    const pair = tableInVector(pairs, index)
    const key = textField(pair, 0)
    if (keys.includes(key) && !entries.has(key)) entries.set(key, textField(pair, 1))
  }
  return entries
}

const member = (key: string, json: string | undefined): ReadonlyArray<string> =>
  json === undefined || json === '' ? [] : [`"${key}":${json}`]

const quoted = (text: string | undefined): string | undefined =>
  text === undefined || text === '' ? undefined : quote(text)

/** A field of metadata that is present counts, even when empty: an empty text is no JSON. */
const rewritten = (text: string | undefined, rewrite: (text: string) => string): string | undefined =>
  text === undefined ? undefined : rewrite(text)

const readField = (table: FlatTable): { readonly field: FrameField; readonly json: string } => {
  const metadata = readMetadata(table, 6, ['tstype', 'labels', 'config'])
  const type = columnType(table, metadata.get('tstype') === 'enum')
  const isNullable = uint8Field(table, 1) !== 0
  const members = [
    ...member('name', quoted(textField(table, 0))),
    `"type":"${type.type}","typeInfo":{"frame":"${type.frame}"${isNullable ? ',"nullable":true' : ''}}`,
    ...member('labels', rewritten(metadata.get('labels'), labelsJson)),
    ...member('config', rewritten(metadata.get('config'), configJson)),
  ]
  return { field: { type, isNullable }, json: `{${members.join(',')}}` }
}

/** Reads an Arrow schema and writes that of the data frame, in the key order of the plugin SDK. */
export const readSchema = (table: FlatTable): FrameSchema => {
  const metadata = readMetadata(table, 2, ['name', 'refId', 'meta'])
  const tables = vectorField(table, 1, 4)
  const fields: Array<FrameField> = []
  const texts: Array<string> = []
  for (let index = 0; index < tables.length; index++) {
    const { field, json } = readField(tableInVector(tables, index))
    fields.push(field)
    texts.push(json)
  }
  const members = [
    ...member('name', quoted(metadata.get('name'))),
    ...member('refId', quoted(metadata.get('refId'))),
    ...member('meta', rewritten(metadata.get('meta'), metaJson)),
    `"fields":[${texts.join(',')}]`,
  ]
  return { isBigEndian: int16Field(table, 0) !== 0, fields, json: `{${members.join(',')}}` }
}
