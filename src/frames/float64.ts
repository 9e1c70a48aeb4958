import { write4Digits, write8Digits, writeUint } from './integer.ts'
import { formatNumber } from './number-text.ts'

const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30

/** 10^k for k from 0 to 22: the powers of ten that are doubles. Split in halves for exact products (Veltkamp, Dekker). */
const SPLITTER = 2 ** 27 + 1
const POWERS = Float64Array.from({ length: 23 }, (_, k) => Number(`1e${String(k)}`))
const POWERS_HIGH = POWERS.map((power) => SPLITTER * power - (SPLITTER * power - power))
const POWERS_LOW = POWERS.map((power, k) => power - (POWERS_HIGH[k] ?? 0))

/** By biased binary exponent: half the distance between neighbours, and the decimal exponent of the least such double. */
const HALF_GAP = Float64Array.from({ length: 2048 }, (_, biased) => 2 ** (biased - 1076))
const EXPONENT = Int32Array.from({ length: 2048 }, (_, biased) => Math.floor(Math.log10(2 ** (biased - 1023))))

/** Comparisons closer than this are left to String: rounding in the steps below stays a thousand times smaller. */
const GUARD = 1e-9

export const writeLatin1 = (view: DataView, position: number, text: string): number => {
  for (let index = 0; index < text.length; index++) view.setUint8(position + index, text.charCodeAt(index))
  return position + text.length
}

/** The end of a number whose last digits are zeros of its fraction. */
export const dropZeros = (view: DataView, end: number): number => {
  let at = end
  while (view.getUint8(at - 1) === ZERO) at--
  return at
}

/** Where the digits of a number start: after `0.000`, or one byte further than the number, since the point will come. */
export const digitsStart = (position: number, exponent: number): number =>
  exponent < 0 ? position + 1 - exponent : position + 1

/** Puts the point between digits written at `digitsStart`. */
export const placePoint = (view: DataView, position: number, exponent: number): void => {
  if (exponent < 0) {
    view.setUint8(position, ZERO)
    view.setUint8(position + 1, DOT)
    for (let at = position + 2; at < position + 1 - exponent; at++) view.setUint8(at, ZERO)
    return
  }
  for (let at = position; at <= position + exponent; at++) view.setUint8(at, view.getUint8(at + 1))
  view.setUint8(position + exponent + 1, DOT)
}

// No Math.round and Math.min below: V8 makes branches of them, which random digits mispredict half of the time.

/** -1, 0, 1: is the rest's nearest multiple of `step` outside the rounding interval, too close to tell, inside? */
const compare = (rest: number, step: number, halfGap: number): number => {
  const gap = step / 2 - Math.abs(rest - step / 2) - halfGap
  if (gap < -GUARD) return Math.abs(rest - step / 2) < GUARD ? 0 : 1
  return gap > GUARD ? -1 : 0
}

/**
 * A fraction from 1e-6 to 2^53 that is no power of two. It is scaled to 17 digits, exactly: the product with a power of ten
 * is the sum of two doubles. Of 15, 16, 17 digits the first wins whose nearest decimal lies inside the rounding interval;
 * of fewer than 15 the zeros are dropped.
 */
const writeFraction = (view: DataView, position: number, value: number, biased: number): number => {
  const least = EXPONENT[biased] ?? 0
  const next = least < 0 ? 1 / (POWERS[-least - 1] ?? 1) : (POWERS[least + 1] ?? 1)
  const exponent = value >= next ? least + 1 : least
  const k = 16 - exponent

  const power = POWERS[k] ?? 0
  const powerHigh = POWERS_HIGH[k] ?? 0
  const powerLow = POWERS_LOW[k] ?? 0
  const split = SPLITTER * value
  const valueHigh = split - (split - value)
  const valueLow = value - valueHigh
  const product = value * power
  const error = valueHigh * powerHigh - product + valueHigh * powerLow + valueLow * powerHigh + valueLow * powerLow

  const whole = Math.floor(error)
  const part = error - whole
  const quotient = Math.floor(product / 1e8)
  const remainder = product - quotient * 1e8 + whole
  // Whole numbers from here on: V8 takes the remainder of doubles ten times slower.
  let upper = (remainder < 0 ? quotient - 1 : quotient) | 0
  let lower = (remainder < 0 ? remainder + 1e8 : remainder) | 0
  const halfGap = (HALF_GAP[biased] ?? 0) * power

  let step = 100
  let verdict = compare((lower % 100) + part, 100, halfGap)
  if (verdict < 0) {
    step = 10
    verdict = compare((lower % 10) + part, 10, halfGap)
  }
  if (verdict < 0) {
    step = 1
    verdict = Math.abs(part - 0.5) < GUARD ? 0 : 1
  }
  if (verdict === 0) return writeLatin1(view, position, formatNumber(value))

  const rest = step === 1 ? 0 : step === 10 ? lower % 10 : lower % 100
  lower += Math.floor((rest + part) / step + 0.5) * step - rest
  if (lower >= 100_000_000) {
    lower -= 100_000_000
    upper++
  }

  const start = digitsStart(position, exponent)
  const first = (upper / 100_000_000) | 0
  view.setUint8(start, ZERO + first)
  write8Digits(view, start + 1, upper - first * 100_000_000)
  write8Digits(view, start + 9, lower)
  placePoint(view, position, exponent)
  return step === 1 ? start + 17 : dropZeros(view, start + (step === 10 ? 16 : 15))
}

const writeMagnitude = (view: DataView, position: number, value: number, high: number): number => {
  if (value >= 2 ** 53) return writeLatin1(view, position, formatNumber(value))
  const whole = Math.floor(value)
  if (whole === value) return writeUint(view, position, value)

  // Three decimals or fewer: at most 15 digits that round to the value are its shortest ones.
  const thousandths = Math.floor(value * 1000 + 0.5)
  if (thousandths / 1000 === value && thousandths < 1e15) {
    const at = writeUint(view, position, whole)
    write4Digits(view, at, thousandths - whole * 1000)
    view.setUint8(at, DOT)
    return dropZeros(view, at + 4)
  }

  // The interval of a power of two is lopsided.
  const isPlain = value >= 1e-6 && (high & 0xf_ffff) !== 0
  return isPlain
    ? writeFraction(view, position, value, (high >>> 20) & 0x7ff)
    : writeLatin1(view, position, formatNumber(value))
}

/** The shortest digits of a finite double, as `formatNumber`; `high` is the upper word of its bits, signed. */
export const writeFloat64 = (view: DataView, position: number, value: number, high: number): number => {
  if (high >= 0) return writeMagnitude(view, position, value, high)
  view.setUint8(position, MINUS)
  return writeMagnitude(view, position + 1, -value, high)
}
