import { digitsStart, dropZeros, placePoint, writeLatin1 } from './float64.ts'
import { write8Digits, writeUint } from './integer.ts'
import { formatNumber } from './number-text.ts'

const MINUS = 0x2d
const ZERO = 0x30

const POWERS = Float64Array.from({ length: 16 }, (_, k) => Number(`1e${String(k)}`))
const HALF_GAP = Float64Array.from({ length: 256 }, (_, biased) => 2 ** (biased - 151))
const EXPONENT = Int32Array.from({ length: 256 }, (_, biased) => Math.floor(Math.log10(2 ** (biased - 127))))

/** The scaled value is off by less than 1e-6: comparisons closer than this are left to exact arithmetic. */
const GUARD = 1e-5

const compareAbs = (a: bigint, b: bigint): number => {
  const left = a < 0n ? -a : a
  const right = b < 0n ? -b : b
  return left < right ? -1 : left > right ? 1 : 0
}

/**
 * Go's shortest decimal of a positive float32 by its bits, in exact arithmetic. Of two equally near ones Go takes the even
 * digit; where the interval is lopsided, at powers of two, it takes the upper one.
 */
export const shortestFloat32 = (bits: number): number => {
  const biased = bits >>> 23
  const fraction = bits & 0x7f_ffff
  const exponent = Math.max(biased, 1) - 150
  const mantissa = BigInt(biased === 0 ? fraction : fraction | 0x80_0000)
  const isLopsided = fraction === 0 && biased > 1
  const isEven = (fraction & 1) === 0

  // In units of a quarter of the gap, times 10^scale: value, and the ends of its rounding interval.
  const scale = 60n
  const unit = exponent >= 2 ? 2n ** BigInt(exponent - 2) * 10n ** scale : 10n ** scale
  const divisor = exponent >= 2 ? 1n : 2n ** BigInt(2 - exponent)
  const value = 4n * mantissa * unit
  const low = (4n * mantissa - (isLopsided ? 1n : 2n)) * unit
  const high = (4n * mantissa + 2n) * unit

  let power = Math.floor(Math.log10(Number(mantissa) * 2 ** exponent)) + 61
  for (let step = 10n ** BigInt(power) * divisor; ; step /= 10n, power--) {
    const below = (value / step) * step
    const candidates = [below, below + step].filter(
      (decimal) => decimal !== 0n && (isEven ? decimal >= low && decimal <= high : decimal > low && decimal < high),
    )
    const [first, second] = candidates
    if (first === undefined) continue
    const order = second === undefined ? -1 : compareAbs(value - first, second - value)
    const takeFirst = order < 0 || (order === 0 && !isLopsided && (first / step) % 2n === 0n)
    return Number(`${String((takeFirst ? first : (second ?? first)) / step)}e${String(power - 60)}`)
  }
}

const writeExact = (view: DataView, position: number, bits: number): number =>
  writeLatin1(view, position, formatNumber(shortestFloat32(bits)))

const distance = (rest: number, step: number): number => (rest < step / 2 ? rest : step - rest)

/**
 * The value, scaled to 9 digits, is rounded to 6, 7, 8, 9 of them; the first that lies inside the rounding interval wins, of
 * fewer than 6 the zeros are dropped.
 */
const writeDigits = (view: DataView, position: number, value: number, bits: number): number => {
  const biased = bits >>> 23
  const least = EXPONENT[biased] ?? 0
  const next = least < 0 ? 1 / (POWERS[-least - 1] ?? 1) : (POWERS[least + 1] ?? 1)
  const exponent = value >= next ? least + 1 : least
  const power = POWERS[8 - exponent] ?? 0
  const scaled = value * power
  const halfGap = (HALF_GAP[biased] ?? 0) * power

  for (let step = 1000, digits = 6; ; step /= 10, digits++) {
    const rest = scaled - Math.floor(scaled / step) * step
    const gap = distance(rest, step) - halfGap
    const isTie = Math.abs(rest - step / 2) < GUARD
    if (Math.abs(gap) < GUARD || (gap < 0 && isTie)) return writeExact(view, position, bits)
    if (gap > 0) continue
    const decimal = Math.round(scaled / step) * step
    if (decimal >= 1e9) return writeExact(view, position, bits)
    const start = digitsStart(position, exponent)
    const first = (decimal / 1e8) | 0
    view.setUint8(start, ZERO + first)
    write8Digits(view, start + 1, decimal - first * 1e8)
    placePoint(view, position, exponent)
    return dropZeros(view, start + digits)
  }
}

const writeMagnitude = (view: DataView, position: number, value: number, bits: number): number => {
  if (value < 2 ** 24 && Math.floor(value) === value) return writeUint(view, position, value)
  const isPlain = value >= 1e-5 && value < 2 ** 24 && (bits & 0x7f_ffff) !== 0
  return isPlain ? writeDigits(view, position, value, bits) : writeExact(view, position, bits)
}

/** The shortest digits that name a finite float32 among its kind (0.1, not 0.10000000149011612); `bits` are its own, signed. */
export const writeFloat32 = (view: DataView, position: number, value: number, bits: number): number => {
  if (bits >= 0) return writeMagnitude(view, position, value, bits)
  view.setUint8(position, MINUS)
  return writeMagnitude(view, position + 1, -value, bits & 0x7fff_ffff)
}
