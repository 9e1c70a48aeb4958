import fastJsonPatch from 'fast-json-patch'

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
