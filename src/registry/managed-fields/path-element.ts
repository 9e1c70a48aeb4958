import { E } from '../../fp.ts'
import { isObject, parseJson } from '../json-value.ts'

/**
 * One step from a container to what is in it, as FieldsV1 writes it: `f:spec` a field, `k:{"type":"query"}` an item of a list by
 * its keys, `v:"x"` an item of a set, `i:0` one of another list. Equal steps are equal texts: keys sorted, JSON as Go writes it.
 */
export type PathElement = string

const wide = new RegExp(`[<>&${String.fromCharCode(0x2028, 0x2029)}]`)
const allWide = new RegExp(wide, 'g')

const escapeWide = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`

/** JSON as Go writes it: what could end a script in HTML is escaped. */
export const goJson = (value: unknown): string => {
  const text = JSON.stringify(value)
  return wide.test(text) ? text.replace(allWide, escapeWide) : text
}

export const fieldElement = (name: string): PathElement => `f:${name}`

/** `keys`: sorted by name. */
export const keyElement = (keys: ReadonlyArray<readonly [string, unknown]>): PathElement =>
  `k:{${keys.map(([name, value]) => `${JSON.stringify(name)}:${goJson(value)}`).join(',')}}`

export const valueElement = (value: unknown): PathElement => `v:${goJson(value)}`

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1)

const parsed = (element: PathElement): unknown => E.getOrElse((): unknown => undefined)(parseJson(element.slice(2)))

/** A step as anybody may have written it. `undefined`: of a kind that we do not know, and ignore. Left: no step at all. */
export const parseElement = (text: string): E.Either<string, PathElement | undefined> => {
  const wrong = E.left('expected f:name, k:{...}, v:value or i:index, got something else')
  if (text[1] !== ':') return wrong
  switch (text[0]) {
    case 'f':
      return E.right(text)
    case 'k': {
      const keys = parsed(text)
      return isObject(keys) ? E.right(keyElement(Object.entries(keys).toSorted(byName))) : wrong
    }
    case 'v': {
      const value = parsed(text)
      return value === undefined ? wrong : E.right(valueElement(value))
    }
    case 'i':
      return /^i:-?\d{1,15}$/.test(text) ? E.right(text) : wrong
    default:
      return E.right(undefined)
  }
}

const kinds = 'fkvi'

/** Order of steps in FieldsV1: fields, then items by their keys, then by value, then by index. */
export const compareElements = (a: PathElement, b: PathElement): number => {
  const [kindOfA, kindOfB] = [a.charAt(0), b.charAt(0)]
  if (kindOfA !== kindOfB) return kinds.indexOf(kindOfA) - kinds.indexOf(kindOfB)
  if (kindOfA === 'i') return Number(a.slice(2)) - Number(b.slice(2))
  return a < b ? -1 : Number(a > b)
}

/** A step for people. Shape: `.spec`, `[method="",path="",type="query"]`, `[="x"]`, `[0]`. */
export const describeElement = (element: PathElement): string => {
  switch (element.charAt(0)) {
    case 'f':
      return `.${element.slice(2)}`
    case 'k': {
      const keys = parsed(element)
      const texts = Object.entries(isObject(keys) ? keys : {}).map(
        ([name, value]) => `${name}=${JSON.stringify(value)}`,
      )
      return `[${texts.join(',')}]`
    }
    case 'v':
      return `[=${JSON.stringify(parsed(element))}]`
    default:
      return `[${element.slice(2)}]`
  }
}
