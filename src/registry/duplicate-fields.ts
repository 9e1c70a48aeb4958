import { endOfString } from './json-value.ts'

/** More of them than this help nobody. */
const maxFields = 100

/** An object or an array that is still open. */
interface Open {
  /** Keys so far; of an array there are none. */
  readonly keys: Set<string> | undefined
  /** Where in it we are. */
  key: string
  index: number
}

/** Longer names are cut where they are told: each of many duplicates would tell them again. */
const maxKey = 253

const keyOf = (literal: string): string => (literal.includes('\\') ? String(JSON.parse(literal)) : literal.slice(1, -1))

const pathOf = (open: ReadonlyArray<Open>): string =>
  open.reduce(
    (path, { keys, key, index }) =>
      keys === undefined ? `${path}[${String(index)}]` : `${path}${path === '' ? '' : '.'}${key.slice(0, maxKey)}`,
    '',
  )

/**
 * Fields that an object has twice; `JSON.parse` takes the last of them, and says nothing. Shape: `spec.services[0].type`. For texts only
 * that `JSON.parse` has accepted; one pass over them.
 */
export const duplicateFields = (text: string): ReadonlyArray<string> => {
  const found = new Set<string>()
  const open: Open[] = []
  let isKeyNext = false
  for (let i = 0; i < text.length && found.size < maxFields; i++) {
    const inner = open.at(-1)
    switch (text.charAt(i)) {
      case '{':
        open.push({ keys: new Set(), key: '', index: 0 })
        isKeyNext = true
        break
      case '[':
        open.push({ keys: undefined, key: '', index: 0 })
        isKeyNext = false
        break
      case '}':
      case ']':
        open.pop()
        isKeyNext = false
        break
      case ',':
        if (inner !== undefined) inner.index += 1
        isKeyNext = inner?.keys !== undefined
        break
      case '"': {
        const end = endOfString(text, i)
        if (isKeyNext && inner?.keys !== undefined) {
          inner.key = keyOf(text.slice(i, end))
          if (inner.keys.has(inner.key)) found.add(pathOf(open))
          inner.keys.add(inner.key)
          isKeyNext = false
        }
        i = end - 1
        break
      }
    }
  }
  return [...found]
}
