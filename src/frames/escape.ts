import type { Output } from './output.ts'

const ESCAPE_U = 0x755c // `\u`, little-endian

/** By byte: 0 plain, 1 an escape of six characters, else the letter of a short escape. 128 and up are looked at apart. */
const ESCAPES = Uint8Array.from({ length: 128 }, (_, byte) => {
  if (byte === 0x22 || byte === 0x5c) return byte
  if (byte === 0x0a) return 0x6e
  if (byte === 0x0d) return 0x72
  if (byte === 0x09) return 0x74
  return byte < 0x20 || byte === 0x3c || byte === 0x3e || byte === 0x26 ? 1 : 0
})

const HEX = '0123456789abcdef'

/** Are all four bytes written as they are? Bit 7 of each byte of a term is set unless that byte is the one looked for. */
const isPlain = (word: number): boolean => {
  const atLeastSpace = (word << 1) | (word << 2)
  const noQuoteOrAmpersand = ((word & 0x7b7b7b7b) ^ 0x22222222) + 0x7f7f7f7f
  const noAngle = ((word & 0x7d7d7d7d) ^ 0x3c3c3c3c) + 0x7f7f7f7f
  const noBackslash = ((word & 0x7f7f7f7f) ^ 0x5c5c5c5c) + 0x7f7f7f7f
  return (~word & atLeastSpace & noQuoteOrAmpersand & noAngle & noBackslash & 0x80808080) === (0x80808080 | 0)
}

const writeUnit = (view: DataView, position: number, unit: number): number => {
  view.setUint16(position, ESCAPE_U, true)
  for (let digit = 0; digit < 4; digit++)
    view.setUint8(position + 2 + digit, HEX.charCodeAt((unit >>> (12 - 4 * digit)) & 15))
  return position + 6
}

const isContinuation = (view: DataView, at: number, end: number): boolean =>
  at < end && (view.getUint8(at) & 0xc0) === 0x80

/** Bytes of the UTF-8 sequence that starts here, 0 if there is none: overlong forms and surrogates are none. */
const sequenceLength = (view: DataView, at: number, end: number): number => {
  const lead = view.getUint8(at)
  if (lead < 0xc2 || lead > 0xf4 || !isContinuation(view, at + 1, end)) return 0
  const second = view.getUint8(at + 1)
  if (lead < 0xe0) return 2
  if (!isContinuation(view, at + 2, end)) return 0
  if (lead < 0xf0) return (lead === 0xe0 && second < 0xa0) || (lead === 0xed && second > 0x9f) ? 0 : 3
  if (!isContinuation(view, at + 3, end)) return 0
  return (lead === 0xf0 && second < 0x90) || (lead === 0xf4 && second > 0x8f) ? 0 : 4
}

const writeAscii = (view: DataView, position: number, byte: number): number => {
  const escape = ESCAPES[byte] ?? 0
  if (escape === 1) return writeUnit(view, position, byte)
  if (escape === 0) {
    view.setUint8(position, byte)
    return position + 1
  }
  view.setUint8(position, 0x5c)
  view.setUint8(position + 1, escape)
  return position + 2
}

/** Gives the position in `source` after the character. */
const writeNonAscii = (source: DataView, at: number, end: number, out: Output): number => {
  const { view, position } = out
  const length = sequenceLength(source, at, end)
  if (length === 0) {
    out.position = writeUnit(view, position, 0xfffd)
    return at + 1
  }
  const isSeparator = length === 3 && source.getUint16(at) === 0xe280 && (source.getUint8(at + 2) & 0xfe) === 0xa8
  if (isSeparator) {
    out.position = writeUnit(view, position, 0x2000 + (source.getUint8(at + 2) & 0x3f))
  } else {
    for (let index = 0; index < length; index++) view.setUint8(position + index, source.getUint8(at + index))
    out.position = position + length
  }
  return at + length
}

/** Copies four bytes at a time as long as none of them needs more than copying. */
const copyPlain = (source: DataView, from: number, limit: number, out: Output): number => {
  const view = out.view
  let at = from
  let position = out.position
  while (at + 4 <= limit) {
    const word = source.getInt32(at, true)
    if (!isPlain(word)) break
    view.setInt32(position, word, true)
    at += 4
    position += 4
  }
  out.position = position
  return at
}

/**
 * Writes the inside of a JSON string as Go writes values: safe in HTML, U+2028 and U+2029 escaped, each byte that is no UTF-8
 * as `\ufffd`. Takes the characters that begin before `limit` from bytes that go on to `end`; gives where it stopped.
 */
export const writeEscaped = (source: DataView, from: number, limit: number, end: number, out: Output): number => {
  let at = from
  while (at < limit) {
    at = copyPlain(source, at, limit, out)
    // What stopped it lies within the next four bytes.
    for (const stop = Math.min(at + 4, limit); at < stop;) {
      const byte = source.getUint8(at)
      if (byte < 0x80) {
        out.position = writeAscii(out.view, out.position, byte)
        at++
      } else {
        at = writeNonAscii(source, at, end, out)
      }
    }
  }
  return at
}
