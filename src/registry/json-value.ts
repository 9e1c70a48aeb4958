import { E } from '../fp.ts'

export type JsonObject = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const isArray = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

/** Of the object's own: what its prototype has is nobody's data. */
export const own = (object: JsonObject, key: string): unknown => (Object.hasOwn(object, key) ? object[key] : undefined)

/** Entries as an object of its own data: a key `__proto__` is one like any other. */
export const objectOf = (entries: Iterable<readonly [string, unknown]>): JsonObject => Object.fromEntries(entries)

/** Arrays and objects within each other. Deeper ones end the stack of whoever walks them; no object of ours comes near. */
export const maxDepth = 64

/** Says that arrays and objects nest deeper than so many. */
export const isDeeperThan = (value: unknown, levels: number): boolean => {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  return Object.values(value).some((item) => isDeeperThan(item, levels - 1))
}

/** Where the string that begins at `start` is over, in a JSON text. */
export const endOfString = (text: string, start: number): number => {
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x5c) i++
    else if (code === 0x22) return i + 1
  }
  return text.length
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/** Text of a body. Left: one sentence that quotes nothing of it. */
export const textOf = (body: Uint8Array): E.Either<string, string> =>
  E.tryCatch(
    () => decoder.decode(body),
    () => 'expected UTF-8, got other bytes',
  )

/** Values in a text. More of them take seconds to walk, and nobody else would be served meanwhile; no object of ours has a tenth. */
const maxValues = 50_000

/** What is too much in a JSON text, found for less than it takes to parse it. Of broken JSON anything may be said. */
const excessIn = (text: string): string | undefined => {
  let [count, depth] = [0, 0]
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // "
        i = endOfString(text, i) - 1
        break
      case 0x2c: // ,
        count++
        break
      case 0x5b: // [
      case 0x7b: // {
        count++
        if (++depth > maxDepth) return `${String(maxDepth)} levels of arrays and objects`
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth--
        break
    }
    if (count > maxValues) return `${String(maxValues)} values`
  }
  return undefined
}

/**
 * Value of a JSON text of no more values than anybody needs, nested no deeper than `maxDepth`. Left: one sentence that quotes nothing of it.
 */
export const parseJson = (text: string): E.Either<string, unknown> => {
  const excess = excessIn(text)
  if (excess !== undefined) return E.left(`expected at most ${excess}, got more`)
  return E.tryCatch(
    (): unknown => JSON.parse(text),
    () => 'expected JSON, got something else',
  )
}
