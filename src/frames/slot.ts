import type { JsonValue } from './json-value.ts'
import { formatGeneral, formatNumber } from './number-text.ts'
import { refuse } from './refuse.ts'
import { quoteHtml } from './text.ts'

/**
 * A Go variable that `encoding/json` decodes into and json-iterator encodes. Decoding twice is legal and meaningful: for a
 * duplicate key Go decodes into the same variable again, so structs and maps merge, and `null` leaves most kinds as they are.
 */
export interface Slot {
  readonly decode: (value: JsonValue) => void
  /** What `omitempty` looks at. */
  readonly isEmpty: () => boolean
  readonly encode: () => string
}

/** A Go type: makes a variable that holds the zero value. */
export type Type = () => Slot

export const mismatch = (expected: string, value: JsonValue): never =>
  refuse(`expected ${expected}, got ${'text' in value ? value.text : value.kind}`)

export const toDouble = (value: JsonValue): number => {
  const number = value.kind === 'number' ? Number(value.text) : mismatch('a number', value)
  return isFinite(number) ? number : mismatch('a number that a float64 can hold', value)
}

export const text: Type = () => {
  let content = ''
  return {
    decode: (value) => {
      if (value.kind !== 'null') content = value.kind === 'string' ? value.value : mismatch('a string', value)
    },
    isEmpty: () => content === '',
    encode: () => quoteHtml(content),
  }
}

export const boolean: Type = () => {
  let content = false
  return {
    decode: (value) => {
      if (value.kind !== 'null') content = value.kind === 'boolean' ? value.value : mismatch('a boolean', value)
    },
    isEmpty: () => !content,
    encode: () => String(content),
  }
}

export const double: Type = () => {
  let content = 0
  return {
    decode: (value) => {
      if (value.kind !== 'null') content = toDouble(value)
    },
    isEmpty: () => content === 0,
    encode: () => formatNumber(content),
  }
}

/** ConfFloat64 behind a pointer: written with %v. */
export const generalDouble: Type = () => {
  let content = 0
  return {
    decode: (value) => {
      content = toDouble(value)
    },
    isEmpty: () => false,
    encode: () => formatGeneral(content),
  }
}

/** Go refuses a fraction and an exponent whatever their value, and a minus sign (also `-0`) where the type has none. */
const integer =
  (least: bigint, most: bigint): Type =>
  () => {
    let content = 0n
    return {
      decode: (value) => {
        if (value.kind === 'null') return
        const digits = value.kind === 'number' ? value.text : mismatch('an integer', value)
        if (!(least < 0n ? /^-?\d+$/ : /^\d+$/).test(digits) || digits.length > 20) mismatch('an integer', value)
        content = BigInt(digits)
        if (content < least || content > most) mismatch(`an integer from ${String(least)} to ${String(most)}`, value)
      },
      isEmpty: () => content === 0n,
      encode: () => String(content),
    }
  }

export const int64 = integer(-(2n ** 63n), 2n ** 63n - 1n)
export const uint16 = integer(0n, 2n ** 16n - 1n)
export const uint64 = integer(0n, 2n ** 64n - 1n)
