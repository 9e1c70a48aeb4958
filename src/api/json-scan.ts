/**
 * Checks JSON as bytes, and makes nothing of it: `JSON.parse` takes up to a second for ten megabytes, and many times their memory.
 */

/** Go's JSON packages give up beyond this depth. */
const MAX_DEPTH = 10_000
const OBJECT = 1
const ARRAY = 2

/** Kinds of the open containers. Shared: a scan never suspends. */
const open = new Uint8Array(MAX_DEPTH + 1)

const byteAt = (view: DataView, position: number, end: number): number =>
  position < end ? view.getUint8(position) : -1

/** Position of the first byte that is no JSON white space. */
export const skipSpace = (view: DataView, position: number, end: number): number => {
  let at = position
  while (at < end) {
    const byte = view.getUint8(at)
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break
    at++
  }
  return at
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39

const isHex = (byte: number): boolean => isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66)

const skipDigits = (view: DataView, position: number, end: number): number => {
  let at = position
  while (at < end && isDigit(view.getUint8(at))) at++
  return at
}

const skipEscape = (view: DataView, position: number, end: number): number => {
  switch (byteAt(view, position, end)) {
    case 0x22: // "
    case 0x5c: // \
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return position + 1
    case 0x75: // u
      for (let at = position + 1; at <= position + 4; at++) if (!isHex(byteAt(view, at, end))) return -1
      return position + 5
    default:
      return -1
  }
}

/** `position` is that of the opening quote. */
const skipString = (view: DataView, position: number, end: number): number => {
  let at = position + 1
  while (at < end) {
    const byte = view.getUint8(at)
    if (byte === 0x22) return at + 1
    if (byte < 0x20) return -1
    if (byte === 0x5c) {
      at = skipEscape(view, at + 1, end)
      if (at < 0) return -1
    } else {
      at++
    }
  }
  return -1
}

/** Numbers beyond float64 are refused, as Go refuses them. */
const skipNumber = (view: DataView, position: number, end: number): number => {
  const integer = byteAt(view, position, end) === 0x2d ? position + 1 : position
  let at = byteAt(view, integer, end) === 0x30 ? integer + 1 : skipDigits(view, integer, end)
  if (at === integer) return -1
  if (byteAt(view, at, end) === 0x2e) {
    const fraction = at + 1
    at = skipDigits(view, fraction, end)
    if (at === fraction) return -1
  }
  const hasExponent = (byteAt(view, at, end) | 0x20) === 0x65
  if (hasExponent) {
    const sign = byteAt(view, at + 1, end)
    const exponent = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1
    at = skipDigits(view, exponent, end)
    if (at === exponent) return -1
  }
  const mayOverflow = hasExponent || at - integer > 308
  return mayOverflow && !isFinite(parse(view, position, at)) ? -1 : at
}

const parse = (view: DataView, from: number, to: number): number =>
  Number(Buffer.from(view.buffer, view.byteOffset + from, to - from).toString('latin1'))

const skipWord = (view: DataView, position: number, end: number, word: string): number => {
  for (let index = 0; index < word.length; index++)
    if (byteAt(view, position + index, end) !== word.charCodeAt(index)) return -1
  return position + word.length
}

const skipScalar = (view: DataView, position: number, end: number): number => {
  switch (byteAt(view, position, end)) {
    case 0x22: // "
      return skipString(view, position, end)
    case 0x74: // t
      return skipWord(view, position, end, 'true')
    case 0x66: // f
      return skipWord(view, position, end, 'false')
    case 0x6e: // n
      return skipWord(view, position, end, 'null')
    default:
      return skipNumber(view, position, end)
  }
}

/** A key and its colon. */
const skipKey = (view: DataView, position: number, end: number): number => {
  const key = skipSpace(view, position, end)
  if (byteAt(view, key, end) !== 0x22) return -1
  const after = skipString(view, key, end)
  if (after < 0) return -1
  const colon = skipSpace(view, after, end)
  return byteAt(view, colon, end) === 0x3a ? colon + 1 : -1
}

/** Enters brackets until a value is complete; its end, or -1. Loops instead of recursion: depth is the sender's choice. */
const skipValue = (view: DataView, position: number, end: number): number => {
  let depth = 0
  let at = position
  for (;;) {
    at = skipSpace(view, at, end)
    const byte = byteAt(view, at, end)
    if (byte === 0x7b || byte === 0x5b) {
      if (depth === MAX_DEPTH) return -1
      const inner = skipSpace(view, at + 1, end)
      if (byteAt(view, inner, end) === byte + 2) {
        at = inner + 1
      } else {
        open[++depth] = byte === 0x7b ? OBJECT : ARRAY
        at = byte === 0x7b ? skipKey(view, inner, end) : inner
        if (at < 0) return -1
        continue
      }
    } else {
      at = skipScalar(view, at, end)
      if (at < 0) return -1
    }

    for (;;) {
      if (depth === 0) return at
      at = skipSpace(view, at, end)
      const next = byteAt(view, at++, end)
      const inObject = open[depth] === OBJECT
      if (next === 0x2c) {
        if (inObject) at = skipKey(view, at, end)
        if (at < 0) return -1
        break
      }
      if (next !== (inObject ? 0x7d : 0x5d)) return -1
      depth--
    }
  }
}

/** Are the bytes exactly one JSON value, white space around it allowed? Strict grammar; bytes of strings need not be UTF-8. */
export const isJson = (view: DataView, position: number, end: number): boolean => {
  const after = skipValue(view, position, end)
  return after >= 0 && skipSpace(view, after, end) === end
}

/** Are the bytes exactly one JSON value? */
export const isJsonText = (bytes: Uint8Array): boolean =>
  isJson(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.byteLength)

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** JSON has line breaks between its tokens only, where they say nothing. */
export const onOneLine = (json: Uint8Array): Uint8Array => {
  if (!json.includes(lineFeed) && !json.includes(carriageReturn)) return json
  const line = new Uint8Array(json.length)
  let length = 0
  for (const byte of json) if (byte !== lineFeed && byte !== carriageReturn) line[length++] = byte
  return line.subarray(0, length)
}
