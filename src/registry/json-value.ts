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

const decoder = new TextDecoder('utf-8', { fatal: true })

/** Text of a body. Left: one sentence that quotes nothing of it. */
export const textOf = (body: Uint8Array): E.Either<string, string> =>
  E.tryCatch(
    () => decoder.decode(body),
    () => 'expected UTF-8, got other bytes',
  )

/** Value of a JSON text, nested no deeper than `maxDepth`. Left: one sentence that quotes nothing of it. */
export const parseJson = (text: string): E.Either<string, unknown> => {
  const parsed = E.tryCatch(
    (): unknown => JSON.parse(text),
    () => 'expected JSON, got something else',
  )
  if (E.isRight(parsed) && isDeeperThan(parsed.right, maxDepth)) {
    return E.left(`expected at most ${String(maxDepth)} levels of arrays and objects, got more`)
  }
  return parsed
}
