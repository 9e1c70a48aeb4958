import fastJsonPatch from 'fast-json-patch'

import { hasFragileNumber } from './api/raw-json.ts'

/** One step of RFC 6902. Shape: `{ op: 'replace', path: '/spec/title', value: 'x' }`. */
export interface PatchOperation {
  readonly op: string
  readonly path: string
  readonly value?: unknown
}

/**
 * What turns one JSON value into another, as a JSON Patch; empty when they are equal. Linear in their size: arrays are compared
 * index by index, since a shortest patch costs the square of their length and clients choose that length.
 */
export const jsonPatch = (from: object, to: object): ReadonlyArray<PatchOperation> => fastJsonPatch.compare(from, to)

/** Characters of both texts. A patch of long lists is twenty times their size, and takes as long. */
const maxCompared = 524_288

const parseObject = (text: string): object => {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('not an object')
  return value
}

/**
 * What turns one JSON object into another, all of them texts; `undefined`: nothing to do. Where values cannot be compared for
 * numbers that float64 does not hold, or only at a great cost, it puts the other text in place as it stands, digit for digit: an
 * empty path is the whole document in RFC 6902. Throws when a text is no JSON object.
 */
export const jsonPatchText = (from: string, to: string): string | undefined => {
  if (from === to) return undefined
  const [before, after] = [parseObject(from), parseObject(to)]
  if (from.length + to.length > maxCompared || hasFragileNumber(from) || hasFragileNumber(to)) {
    return `[{"op":"replace","path":"","value":${to}}]`
  }
  const patch = jsonPatch(before, after)
  return patch.length === 0 ? undefined : JSON.stringify(patch)
}
