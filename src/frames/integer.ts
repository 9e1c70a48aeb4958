/** Four digits as the bytes of a little-endian word: the first digit in the lowest byte. */
const DIGITS = Uint32Array.from(
  { length: 10_000 },
  (_, n) =>
    (0x30 + Math.floor(n / 1000)) |
    ((0x30 + (Math.floor(n / 100) % 10)) << 8) |
    ((0x30 + (Math.floor(n / 10) % 10)) << 16) |
    ((0x30 + (n % 10)) << 24),
)

/** Writers of numbers give the position after what they wrote; up to 3 bytes behind it may be overwritten. */
export const write4Digits = (view: DataView, position: number, n: number): number => {
  view.setUint32(position, DIGITS[n] ?? 0, true)
  return position + 4
}

export const write8Digits = (view: DataView, position: number, n: number): number => {
  const whole = n | 0 // V8 divides integers faster than doubles
  const high = (whole / 10_000) | 0
  write4Digits(view, position, high)
  return write4Digits(view, position + 4, whole - high * 10_000)
}

/** 0 to 9999, without leading zeros. */
const writeShort = (view: DataView, position: number, n: number): number => {
  const length = n < 10 ? 1 : n < 100 ? 2 : n < 1000 ? 3 : 4
  view.setUint32(position, (DIGITS[n] ?? 0) >>> (32 - 8 * length), true)
  return position + length
}

/** 0 to 10^8 - 1. */
const writeMiddle = (view: DataView, position: number, n: number): number => {
  const whole = n | 0
  if (whole < 10_000) return writeShort(view, position, whole)
  const high = (whole / 10_000) | 0
  return write4Digits(view, writeShort(view, position, high), whole - high * 10_000)
}

/** A whole number from 0 to 2^53. */
export const writeUint = (view: DataView, position: number, n: number): number => {
  if (n < 100_000_000) return writeMiddle(view, position, n)
  const high = Math.floor(n / 100_000_000)
  return write8Digits(view, writeMiddle(view, position, high), n - high * 100_000_000)
}

export const writeInt = (view: DataView, position: number, n: number): number => {
  if (n >= 0) return writeUint(view, position, n)
  view.setUint8(position, 0x2d)
  return writeUint(view, position + 1, -n)
}

/**
 * high * 2^32 + low, divided by 10^6, rounded down. 2^32 = 4294 * 10^6 + 967296, so every product stays below 2^53 for a
 * signed or unsigned `high`; a BigInt would cost six times as much.
 */
export const quotientOfMillion = (high: number, low: number): number =>
  high * 4294 + Math.floor((high * 967_296 + low) / 1e6)

/** What that division leaves: 0 to 999999. */
export const restOfMillion = (high: number, low: number): number => {
  const part = high * 967_296 + low
  return part - Math.floor(part / 1e6) * 1e6
}

/** All digits of a 64-bit integer that is given as two unsigned words. */
export const writeUint64 = (view: DataView, position: number, high: number, low: number): number => {
  if (high < 0x20_0000) return writeUint(view, position, high * 0x1_0000_0000 + low)
  const rest = restOfMillion(high, low)
  const upper = (rest / 10_000) | 0
  const lower = rest - upper * 10_000
  const at = writeUint(view, position, quotientOfMillion(high, low))
  // The six digits overlap: the lower four overwrite the last two of `upper` shifted into place.
  write4Digits(view, at, upper * 100)
  return write4Digits(view, at + 2, lower)
}

/** `high` is the signed upper word. */
export const writeInt64 = (view: DataView, position: number, high: number, low: number): number => {
  if (high >= 0) return writeUint64(view, position, high, low)
  view.setUint8(position, 0x2d)
  const negatedLow = -low >>> 0
  return writeUint64(view, position + 1, (~high + (low === 0 ? 1 : 0)) >>> 0, negatedLow)
}
