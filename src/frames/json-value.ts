import { refuse } from './refuse.ts'
import { toValidUtf8 } from './text.ts'

/**
 * A parsed JSON text, with what JSON.parse would lose: numbers as written, every member in order, and the source of each
 * member, since parts of the plugin SDK look at the bare text. Strings are binary strings, see `text.ts`.
 */
export type JsonValue =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'array'; readonly items: ReadonlyArray<JsonValue> }
  | { readonly kind: 'object'; readonly members: ReadonlyArray<JsonMember> }

export interface JsonMember {
  readonly key: string
  readonly value: JsonValue
  /** All between the colon and the value's end. */
  readonly source: string
}

/** Far above any real metadata, far below the end of the stack. */
const MAX_DEPTH = 500

const SPACE = /[ \n\r\t]*/y
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const WORDS = [
  ['null', { kind: 'null' }],
  ['true', { kind: 'boolean', value: true }],
  ['false', { kind: 'boolean', value: false }],
] as const

const ESCAPE = /\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)/gs
const SHORT: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

// Buffer writes a lone surrogate as U+FFFD, which is what Go makes of it too.
const unescape = (match: string): string => {
  if (match.length === 2) return SHORT.get(match.charAt(1)) ?? refuse('expected an escape that JSON has')
  const units = match.split('\\u').slice(1)
  const text = String.fromCharCode(...units.map((unit) => parseInt(unit, 16)))
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** What stands between the quotes, escapes resolved; bytes that are no UTF-8 stay. `pattern` finds one escape, or a pair. */
export const unescapeJson = (inner: string, pattern = ESCAPE): string =>
  inner.includes('\\') ? inner.replace(pattern, unescape) : inner

/** A cursor over one text. */
interface Reader {
  readonly text: string
  position: number
}

const fail = ({ text, position }: Reader): never =>
  position >= text.length
    ? refuse('expected more JSON, got the end of the text')
    : refuse(`expected JSON, got ${JSON.stringify(text.charAt(position))} at offset ${String(position)}`)

const match = (reader: Reader, pattern: RegExp): RegExpExecArray | undefined => {
  pattern.lastIndex = reader.position
  const found = pattern.exec(reader.text)
  if (found === null) return undefined
  reader.position = pattern.lastIndex
  return found
}

/** The next byte that is no white space, left where it is. */
const peek = (reader: Reader): string => {
  match(reader, SPACE)
  return reader.text.charAt(reader.position)
}

/** Position of the closing quote. Not a regular expression: one that knows escapes can take exponential time to fail. */
const stringEnd = (reader: Reader): number => {
  for (let at = reader.position + 1; at < reader.text.length; at++) {
    const character = reader.text.charAt(at)
    if (character === '"') return at
    if (character === '\\') at++
  }
  return refuse('expected the end of a JSON string, got the end of the text')
}

const readString = (reader: Reader): string => {
  if (peek(reader) !== '"') return fail(reader)
  const end = stringEnd(reader)
  const inner = reader.text.slice(reader.position + 1, end)
  reader.position = end + 1
  if (/[^\x20-\xff]/.test(inner)) return refuse('expected control characters in JSON to be escaped')
  return toValidUtf8(unescapeJson(inner))
}

const readItems = (reader: Reader, depth: number): JsonValue => {
  const items: Array<JsonValue> = []
  reader.position++
  if (peek(reader) !== ']') {
    for (;;) {
      items.push(readValue(reader, depth))
      if (peek(reader) !== ',') break
      reader.position++
    }
    if (peek(reader) !== ']') return fail(reader)
  }
  reader.position++
  return { kind: 'array', items }
}

const readMember = (reader: Reader, depth: number): JsonMember => {
  const key = readString(reader)
  if (peek(reader) !== ':') return fail(reader)
  const start = ++reader.position
  const value = readValue(reader, depth)
  return { key, value, source: reader.text.slice(start, reader.position) }
}

const readMembers = (reader: Reader, depth: number): JsonValue => {
  const members: Array<JsonMember> = []
  reader.position++
  if (peek(reader) !== '}') {
    for (;;) {
      members.push(readMember(reader, depth))
      if (peek(reader) !== ',') break
      reader.position++
    }
    if (peek(reader) !== '}') return fail(reader)
  }
  reader.position++
  return { kind: 'object', members }
}

const readValue = (reader: Reader, depth: number): JsonValue => {
  if (depth > MAX_DEPTH) return refuse(`expected at most ${String(MAX_DEPTH)} levels of JSON`)
  const next = peek(reader)
  if (next === '{') return readMembers(reader, depth + 1)
  if (next === '[') return readItems(reader, depth + 1)
  if (next === '"') return { kind: 'string', value: readString(reader) }
  for (const [word, value] of WORDS)
    if (reader.text.startsWith(word, reader.position)) {
      reader.position += word.length
      return value
    }
  const number = match(reader, NUMBER) ?? fail(reader)
  return { kind: 'number', text: number[0] }
}

/** Reads a whole text, strictly by RFC 8259. */
export const parseJson = (text: string): JsonValue => {
  const reader: Reader = { text, position: 0 }
  const value = readValue(reader, 0)
  return peek(reader) === '' ? value : fail(reader)
}
