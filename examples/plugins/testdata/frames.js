import {
  Binary,
  Bool,
  Field,
  Float64,
  Int64,
  RecordBatch,
  Schema,
  Struct,
  Table,
  TimestampNanosecond,
  Utf8,
  makeBuilder,
  makeData,
  tableToIPC,
} from 'apache-arrow'

/**
 * `time` holds nanoseconds since the epoch, `json` any value JSON can say. A list that holds a null makes its field
 * nullable; a typed array goes into the file as it is.
 *
 * @typedef {{ type: 'time', values: BigInt64Array }} TimeValues
 * @typedef {{ type: 'int64', values: BigInt64Array | ReadonlyArray<bigint | null> }} Int64Values
 * @typedef {{ type: 'float64', values: Float64Array | ReadonlyArray<number | null> }} Float64Values
 * @typedef {{ type: 'string', values: ReadonlyArray<string | null> }} StringValues
 * @typedef {{ type: 'bool', values: ReadonlyArray<boolean | null> }} BoolValues
 * @typedef {{ type: 'json', values: ReadonlyArray<unknown> }} JsonValues
 * @typedef {{ name: string, labels?: Record<string, string> | undefined, config?: Record<string, unknown> | undefined }} ColumnHead
 * @typedef {ColumnHead & (TimeValues | Int64Values | Float64Values | StringValues | BoolValues | JsonValues)} Column
 * @typedef {{ name?: string, refId: string, meta?: Record<string, unknown>, columns: ReadonlyArray<Column> }} Frame
 */

/** The Arrow type of each column type, and the name that Grafana's frontend has for it (`tstype`). */
const types = {
  time: { arrow: new TimestampNanosecond('UTC'), tstype: 'time' },
  int64: { arrow: new Int64(), tstype: 'number' },
  float64: { arrow: new Float64(), tstype: 'number' },
  string: { arrow: new Utf8(), tstype: 'string' },
  bool: { arrow: new Bool(), tstype: 'boolean' },
  json: { arrow: new Binary(), tstype: 'other' },
}

const utf8 = new TextEncoder()

/**
 * Arrow metadata: texts as they are, objects as JSON, nothing for what is absent. An empty text would be read as broken
 * JSON, so absent keys must really be absent.
 *
 * @param {Record<string, unknown>} entries
 * @returns {Map<string, string>}
 */
const metadata = (entries) =>
  new Map(
    Object.entries(entries)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  )

/**
 * @param {Column} column
 * @returns {Field}
 */
const fieldOf = ({ name, type, values, labels, config }) =>
  new Field(
    name,
    types[type].arrow,
    Array.isArray(values) && values.includes(null),
    metadata({ tstype: types[type].tstype, labels, config }),
  )

/**
 * @param {Column} column
 * @returns {import('apache-arrow').Data}
 */
const dataOf = ({ type, values }) => {
  /** @type {any} Arrow's declarations pair each type with its array, which a table of types cannot say */
  const { arrow } = types[type]
  if (ArrayBuffer.isView(values)) return makeData({ type: arrow, length: values.length, nullCount: 0, data: values })
  const builder = makeBuilder({ type: arrow, nullValues: [null] })
  for (const value of values)
    builder.append(type === 'json' && value !== null ? utf8.encode(JSON.stringify(value)) : value)
  return builder.finish().flush()
}

/**
 * The frame as an Arrow IPC file, with name, refId, meta, labels and config under the metadata keys of Grafana's plugin
 * SDK (data/arrow.go). Columns must be equally long.
 *
 * @param {Frame} frame
 * @returns {Uint8Array}
 */
export const encodeFrame = ({ name, refId, meta, columns }) => {
  const schema = new Schema(columns.map(fieldOf), metadata({ name, refId, meta }))
  const children = columns.map(dataOf)
  const rows = children[0]?.length ?? 0
  const batch = new RecordBatch(
    schema,
    makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children }),
  )
  return tableToIPC(new Table(schema, rows === 0 ? [] : [batch]), 'file')
}
