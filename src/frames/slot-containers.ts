import type { JsonValue } from './json-value.ts'
import { formatNumber } from './number-text.ts'
import { mismatch, toDouble, type Slot, type Type } from './slot.ts'
import { quoteHtml } from './text.ts'

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
