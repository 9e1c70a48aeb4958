/**
 * Finds the pieces of a JSON text without changing them: what passes through `JSON.parse` comes back with its big integers rounded
 * to float64, so a query's own text is cut out and sent on. For texts only that `JSON.parse` has accepted.
 */

/** Where a value stands in the text: from its first character to behind its last. */
export interface Span {
  readonly start: number
  readonly end: number
}

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

const skipSpace = (text: string, index: number): number => {
  let i = index
  while (isSpace(text.charCodeAt(i))) i++
  return i
}

/** Index behind the string that opens at `index`. */
const endOfString = (text: string, index: number): number => {
  for (let i = index + 1; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x5c) i++
    else if (code === 0x22) return i + 1
  }
  return text.length
}

/** Index behind the value that begins at `index`. */
const endOfValue = (text: string, index: number): number => {
  let depth = 0
  let i = index
  while (i < text.length) {
    const char = text.charAt(i)
    if (char === '"') {
      i = endOfString(text, i)
      if (depth === 0) return i
      continue
    }
    if (char === '{' || char === '[') depth++
    else if (char === '}' || char === ']') {
      if (depth === 0) return i
      depth--
      if (depth === 0) return i + 1
    } else if (depth === 0 && (char === ',' || isSpace(text.charCodeAt(i)))) return i
    i++
  }
  return i
}

/** Values of the array that begins at `start`, in order. */
export const elementsOf = (text: string, start: number): ReadonlyArray<Span> => {
  const spans: Span[] = []
  let i = skipSpace(text, start + 1)
  while (i < text.length && text.charAt(i) !== ']') {
    const end = endOfValue(text, i)
    spans.push({ start: i, end })
    i = skipSpace(text, end)
    if (text.charAt(i) === ',') i = skipSpace(text, i + 1)
  }
  return spans
}

/** Members of the object that begins at `start`, by key; of a repeated key the last, as `JSON.parse` has it. */
export const membersOf = (text: string, start: number): ReadonlyMap<string, Span> => {
  const members = new Map<string, Span>()
  let i = skipSpace(text, start + 1)
  while (i < text.length && text.charAt(i) !== '}') {
    const endOfKey = endOfString(text, i)
    const key: unknown = JSON.parse(text.slice(i, endOfKey))
    const value = skipSpace(text, skipSpace(text, endOfKey) + 1)
    const end = endOfValue(text, value)
    members.set(String(key), { start: value, end })
    i = skipSpace(text, end)
    if (text.charAt(i) === ',') i = skipSpace(text, i + 1)
  }
  return members
}

/** How deep arrays and objects nest; any text will do. */
export const depthOf = (text: string): number => {
  let depth = 0
  let deepest = 0
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i)
    if (char === '"') i = endOfString(text, i) - 1
    else if (char === '{' || char === '[') deepest = Math.max(deepest, ++depth)
    else if (char === '}' || char === ']') depth--
  }
  return deepest
}

/** Fifteen digits pass through float64 whatever they are, more of them only as JavaScript itself would write the number. */
const survives = (number: string): boolean =>
  (number.length <= 15 && !/e/i.test(number)) || String(Number(number)) === number

/** Says that some number may not be the same after `JSON.parse`; one in an unusual spelling counts as such. */
export const hasFragileNumber = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i)
    if (char === '"') i = endOfString(text, i) - 1
    else if (char === '-' || (char >= '0' && char <= '9')) {
      const end = endOfValue(text, i)
      if (!survives(text.slice(i, end))) return true
      i = end - 1
    }
  }
  return false
}

/** Index of the first value of the text. */
export const startOfText = (text: string): number => skipSpace(text, 0)
