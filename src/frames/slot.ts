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

export const pointer =
  (type: Type): Type =>
  () => {
    let target: Slot | undefined
    return {
      decode: (value) => {
        if (value.kind === 'null') {
          target = undefined
        } else {
          target ??= type()
          target.decode(value)
        }
      },
      isEmpty: () => target === undefined,
      encode: () => target?.encode() ?? 'null',
    }
  }

/** A shorter list decoded over a longer one keeps the rest in store for a still longer one, as a slice keeps its array. */
export const list =
  (type: Type): Type =>
  () => {
    let store: Array<Slot> = []
    let length: number | undefined
    const elements = (): ReadonlyArray<Slot> => store.slice(0, length ?? 0)
    return {
      decode: (value) => {
        if (value.kind === 'null') {
          store = []
          length = undefined
          return
        }
        const items = value.kind === 'array' ? value.items : mismatch('an array', value)
        if (items.length === 0) store = []
        length = items.length
        for (const [index, item] of items.entries()) {
          const element = store[index] ?? type()
          store[index] = element
          element.decode(item)
        }
      },
      isEmpty: () => (length ?? 0) === 0,
      encode: () =>
        length === undefined
          ? 'null'
          : `[${elements()
              .map((element) => element.encode())
              .join(',')}]`,
    }
  }

/** A Go array: what is missing is zero, what is too much is dropped. */
export const tuple =
  (type: Type, length: number): Type =>
  () => {
    let elements = Array.from({ length }, type)
    return {
      decode: (value) => {
        if (value.kind === 'null') return
        const items = value.kind === 'array' ? value.items : mismatch('an array', value)
        elements = elements.map((element, index) => {
          const item = items[index]
          if (item === undefined) return type()
          element.decode(item)
          return element
        })
      },
      isEmpty: () => false,
      encode: () => `[${elements.map((element) => element.encode()).join(',')}]`,
    }
  }

/** Members in bytewise order of their keys. */
export const encodeSorted = (
  members: ReadonlyMap<string, string>,
  quoteKey: (binary: string) => string = quoteHtml,
): string => {
  const keys = [...members.keys()].sort()
  return `{${keys.map((key) => `${quoteKey(key)}:${members.get(key) ?? ''}`).join(',')}}`
}

/** A Go map with string keys; a value under a known key is decoded afresh. */
export const dictionary =
  (type: Type): Type =>
  () => {
    let entries: Map<string, string> | undefined
    return {
      decode: (value) => {
        if (value.kind === 'null') {
          entries = undefined
          return
        }
        entries ??= new Map()
        for (const member of value.kind === 'object' ? value.members : mismatch('an object', value)) {
          const slot = type()
          slot.decode(member.value)
          entries.set(member.key, slot.encode())
        }
      },
      isEmpty: () => entries === undefined || entries.size === 0,
      encode: () => (entries === undefined ? 'null' : encodeSorted(entries)),
    }
  }

const encodeAny = (value: JsonValue): string => {
  switch (value.kind) {
    case 'null':
      return 'null'
    case 'boolean':
      return String(value.value)
    case 'number':
      return formatNumber(toDouble(value))
    case 'string':
      return quoteHtml(value.value)
    case 'array':
      return `[${value.items.map(encodeAny).join(',')}]`
    case 'object':
      return encodeSorted(new Map(value.members.map((member) => [member.key, encodeAny(member.value)])))
  }
}

/** `interface{}`: any JSON, keys sorted, numbers through float64. */
export const any: Type = () => {
  let content = 'null'
  return {
    decode: (value) => {
      content = encodeAny(value)
    },
    isEmpty: () => content === 'null',
    encode: () => content,
  }
}

export interface Field {
  readonly name: string
  readonly type: Type
  readonly omitEmpty: boolean
}

export const field = (name: string, type: Type): Field => ({ name, type, omitEmpty: true })
export const alwaysField = (name: string, type: Type): Field => ({ name, type, omitEmpty: false })

// Go folds keys by Unicode: LONG S and KELVIN SIGN are the two letters beyond ASCII that fold into it.
const fold = (key: string): string =>
  key
    .replaceAll('\xc5\xbf', 's')
    .replaceAll('\xe2\x84\xaa', 'k')
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())

/** Unknown keys are dropped, known ones found whatever their case and written in the order and case of `fields`. */
export const struct = (fields: ReadonlyArray<Field>): Type => {
  const indexes = new Map(fields.map(({ name }, index) => [fold(name), index]))
  return () => {
    const slots = fields.map(({ type }) => type())
    return {
      decode: (value) => {
        if (value.kind === 'null') return
        for (const member of value.kind === 'object' ? value.members : mismatch('an object', value))
          slots[indexes.get(fold(member.key)) ?? -1]?.decode(member.value)
      },
      isEmpty: () => false,
      encode: () => {
        const members = fields.flatMap(({ name, omitEmpty }, index) => {
          const slot = slots[index]
          return slot === undefined || (omitEmpty && slot.isEmpty()) ? [] : [`"${name}":${slot.encode()}`]
        })
        return `{${members.join(',')}}`
      },
    }
  }
}
