const varintType = 0
const fixed64Type = 1
const bytesType = 2
const fixed32Type = 5

interface Field {
  readonly wireType: number
  /** What is inside, where that is to be counted too. */
  readonly message?: Shape
}

/** The fields of a message by number, as its .proto has them; each one an object of its own, since they are counted by it. */
export type Shape = Readonly<Record<number, Field>>

const varint = (): Field => ({ wireType: varintType })
const bytes = (): Field => ({ wireType: bytesType })
const message = (shape: Shape): Field => ({ wireType: bytesType, message: shape })

const dataResponse: Shape = { 1: bytes(), 2: bytes(), 3: bytes(), 4: varint(), 5: bytes(), 6: varint() }
const statusResult: Shape = { 1: bytes(), 2: bytes(), 3: bytes(), 4: varint() }

/** The answers of pluginv2, under the names of its .proto. */
export const shapes = {
  /** What there may be too many of are responses, and frames. */
  QueryDataResponse: { 1: message({ 1: bytes(), 2: message(dataResponse) }) },
  QueryChunkedDataResponse: {
    1: bytes(),
    2: bytes(),
    3: bytes(),
    4: bytes(),
    5: varint(),
    6: bytes(),
    7: varint(),
  },
  /** Headers, and their values. */
  CallResourceResponse: { 1: varint(), 2: message({ 1: bytes(), 2: message({ 1: bytes() }) }), 3: bytes() },
  CheckHealthResponse: { 1: varint(), 2: bytes(), 3: bytes() },
  CollectMetricsResponse: { 1: message({ 1: bytes() }) },
  /** Of SubscribeStream and PublishStream alike. */
  StreamResponse: { 1: varint(), 2: bytes() },
  StreamPacket: { 1: bytes() },
  /** Warnings. */
  ValidationResponse: { 1: varint(), 2: message(statusResult), 3: bytes() },
  MutationResponse: { 1: varint(), 2: message(statusResult), 3: bytes(), 4: bytes() },
  /** Objects. */
  ConversionResponse: { 1: bytes(), 2: message(statusResult), 3: message({ 1: bytes(), 2: bytes() }) },
} satisfies Readonly<Record<string, Shape>>

const maxUint32 = 2 ** 32 - 1
/** Of a tag or a length; protobufjs takes a longer number for one of ten bytes, however long it is. */
const maxUint32Bytes = 5
const maxVarintBytes = 10

/**
 * Tells whether no field of a message occurs more often than `limit` times, all of its places taken together, without keeping
 * anything: decoded, each item of two bytes is an object. Throws for bytes that no encoder writes and that protobufjs, which looks
 * at no wire type, would read otherwise than they are read here.
 */
export const isWithin = (limit: number, shape: Shape, buffer: Uint8Array): boolean => {
  const counts = new Map<Field, number>()
  let at = 0

  const malformed = (): RangeError => new RangeError(`malformed at byte ${String(at)}`)
  const skip = (length: number, end: number): void => {
    if (length > end - at) throw malformed()
    at += length
  }
  const readUint32 = (end: number): number => {
    let value = 0
    for (let i = 0; i < maxUint32Bytes && at < end; i++) {
      const byte = buffer[at++] ?? 0
      value += (byte & 0x7f) * 2 ** (7 * i)
      if (byte < 0x80 && value <= maxUint32) return value
    }
    throw malformed()
  }
  const skipVarint = (end: number): number => {
    const from = at
    while (at < end && at - from < maxVarintBytes) if ((buffer[at++] ?? 0) < 0x80) return at - from
    throw malformed()
  }

  const scan = (fields: Shape, end: number): boolean => {
    while (at < end) {
      const tag = readUint32(end)
      const wireType = tag & 7
      const field = fields[tag >>> 3]
      if (field !== undefined) {
        if (field.wireType !== wireType) throw malformed()
        const count = (counts.get(field) ?? 0) + 1
        if (count > limit) return false
        counts.set(field, count)
      }
      switch (wireType) {
        case varintType: {
          const size = skipVarint(end)
          if (field !== undefined && size > maxUint32Bytes && size < maxVarintBytes) throw malformed()
          break
        }
        case fixed64Type:
          skip(8, end)
          break
        case bytesType: {
          const length = readUint32(end)
          const from = at
          skip(length, end)
          if (field?.message === undefined) break
          at = from
          if (!scan(field.message, from + length)) return false
          break
        }
        case fixed32Type:
          skip(4, end)
          break
        default:
          throw malformed()
      }
    }
    return true
  }
  return scan(shape, buffer.length)
}
