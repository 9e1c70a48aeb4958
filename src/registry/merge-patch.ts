import { isObject, objectOf, type JsonObject } from './json-value.ts'

/** A value in the place of one that is no object: what it takes away was not there. */
const withoutNulls = (value: unknown): unknown => (isObject(value) ? mergePatch({}, value) : value)

/** The object with what the patch says of it; `null` takes a field away, arrays are replaced whole. Source: RFC 7396. Pure. */
export const mergePatch = (target: object, patch: JsonObject): JsonObject => {
  const merged = new Map<string, unknown>(Object.entries(target))
  for (const [key, value] of Object.entries(patch)) {
    const old = merged.get(key)
    if (value === null) merged.delete(key)
    else merged.set(key, isObject(value) && isObject(old) ? mergePatch(old, value) : withoutNulls(value))
  }
  return objectOf(merged)
}
