import type { OpenApiV2 } from './openapi-v2.ts'

/** A value as the content of a message, or as a whole field of one, its tag included. */
type Encode = (value: unknown) => Buffer

const varint = (value: number): Buffer => {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  return Buffer.from([...bytes, rest])
}

const tag = (field: number, wireType: 0 | 1 | 2): Buffer => varint(field * 8 + wireType)

const lengthDelimited = (field: number, content: Buffer): Buffer =>
  Buffer.concat([tag(field, 2), varint(content.length), content])

const utf8: Encode = (value) => Buffer.from(String(value))

const one =
  (field: number, content: Encode): Encode =>
  (value) =>
    lengthDelimited(field, content(value))

const text = (field: number): Encode => one(field, utf8)

/** Of a bool, an int64. */
const integer =
  (field: number): Encode =>
  (value) =>
    Buffer.concat([tag(field, 0), varint(Number(value))])

const double =
  (field: number): Encode =>
  (value) => {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleLE(Number(value))
    return Buffer.concat([tag(field, 1), bytes])
  }

const many =
  (field: number, content: Encode): Encode =>
  (value) =>
    Buffer.concat((Array.isArray(value) ? value : [value]).map(one(field, content)))

const entriesOf = (value: unknown): ReadonlyArray<[string, unknown]> =>
  typeof value === 'object' && value !== null ? Object.entries(value) : []

/** A map, as a list of messages with a name and a value. */
const named =
  (field: number, content: Encode): Encode =>
  (value) =>
    Buffer.concat(
      entriesOf(value).map(([name, inner]) =>
        lengthDelimited(field, Buffer.concat([text(1)(name), one(2, content)(inner)])),
      ),
    )

/** Any: its text as YAML, which JSON is. */
const any: Encode = (value) => text(2)(JSON.stringify(value))

/** A message with these fields; `extensions` is the field of those that begin with `x-`. Others are left out. */
const message =
  (fields: Readonly<Record<string, Encode>>, extensions?: number): Encode =>
  (value) =>
    Buffer.concat(
      entriesOf(value).map(([key, inner]) => {
        if (extensions !== undefined && key.startsWith('x-')) return named(extensions, any)({ [key]: inner })
        return (Object.hasOwn(fields, key) ? fields[key]?.(inner) : undefined) ?? Buffer.alloc(0)
      }),
    )

const schema: Encode = (value) => schemaMessage(value)
const schemaMessage = message(
  {
    $ref: text(1),
    format: text(2),
    description: text(4),
    default: one(5, any),
    minimum: double(9),
    maxLength: integer(11),
    minLength: integer(12),
    pattern: text(13),
    maxItems: integer(14),
    required: many(19, utf8),
    enum: many(20, any),
    additionalProperties: one(21, one(1, schema)),
    type: one(22, text(1)),
    items: one(23, one(1, schema)),
    properties: one(25, named(1, schema)),
  },
  31,
)

const inBody = message({
  description: text(1),
  name: text(2),
  in: text(3),
  required: integer(4),
  schema: one(5, schema),
})
const inQuery = message({ required: integer(1), in: text(2), description: text(3), name: text(4), type: text(6) })
const inPath = message({ required: integer(1), in: text(2), description: text(3), name: text(4), type: text(5) })

const parameter: Encode = (value) => {
  switch (new Map(entriesOf(value)).get('in')) {
    case 'body':
      return one(1, one(1, inBody))(value)
    case 'path':
      return one(1, one(2, one(4, inPath)))(value)
    default:
      return one(1, one(2, one(3, inQuery)))(value)
  }
}

const response = one(1, message({ description: text(1), schema: one(2, one(1, schema)) }))

const operation = message(
  {
    tags: many(1, utf8),
    description: text(3),
    operationId: text(5),
    produces: many(6, utf8),
    consumes: many(7, utf8),
    parameters: many(8, parameter),
    responses: one(9, named(1, response)),
  },
  13,
)

const pathItem = message({
  get: one(2, operation),
  put: one(3, operation),
  post: one(4, operation),
  delete: one(5, operation),
  patch: one(8, operation),
  parameters: many(9, parameter),
})

const document = message({
  swagger: text(1),
  info: one(2, message({ title: text(1), version: text(2) })),
  paths: one(8, named(2, pathItem)),
  definitions: one(9, named(1, schema)),
})

/**
 * A document in protobuf, the only form that kubectl reads; fields that our documents lack are not encoded. Of two such texts one after
 * the other a reader makes one document, in which the later one wins: put ours before the other's, so that its definitions of
 * `io.k8s.*` stand for its own objects. Source: OpenAPIv2.proto of gnostic.
 */
export const encodeOpenApiV2 = (value: OpenApiV2): Uint8Array => document(value)
