import { kind, type DataPlaneService } from '../api/dataplane-service.ts'
import type { StatusCause } from '../api/status.ts'
import { parseDataPlaneService } from '../api/validation.ts'
import { E } from '../fp.ts'
import type { RejectedObject } from '../source.ts'

export interface FoundObject {
  readonly origin: string
  readonly value: unknown
}

export interface ServedObject {
  readonly origin: string
  readonly service: DataPlaneService
}

export interface Accepted {
  /** By `metadata.name`. */
  readonly served: ReadonlyMap<string, ServedObject>
  readonly rejected: ReadonlyArray<RejectedObject>
}

export const nothingAccepted: Accepted = { served: new Map(), rejected: [] }

/** A field of something that may be anything at all; own fields only. */
export const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined

export const nameOf = (value: unknown): string | undefined => {
  const name = fieldOf(fieldOf(value, 'metadata'), 'name')
  return typeof name === 'string' ? name : undefined
}

export const duplicateOf = (first: ServedObject, origin: string): RejectedObject => {
  const { name } = first.service.metadata
  const message = `"${name}" is already defined in ${first.origin}`
  return { origin, name, causes: [{ reason: 'FieldValueDuplicate', field: 'metadata.name', message }] }
}

/**
 * `parseDataPlaneService` for an object that may be of another kind altogether: it gets this one cause, and not a list of the
 * fields that it never wanted to have. Pure.
 */
export const acceptObject = (value: unknown): E.Either<ReadonlyArray<StatusCause>, DataPlaneService> => {
  const found = fieldOf(value, 'kind')
  if (typeof found !== 'string' || found === kind) return parseDataPlaneService(value)
  const message = `expected kind "${kind}", got "${found.slice(0, 80)}"`
  return E.left([{ reason: 'FieldValueNotSupported', field: 'kind', message }])
}

/**
 * Sorts objects into served and rejected. Of several with one name the first is served. A rejected one whose name served
 * before serves on as it was. Pure.
 */
export const acceptObjects = (
  found: Iterable<FoundObject>,
  lastGood: ReadonlyMap<string, ServedObject> = nothingAccepted.served,
): Accepted => {
  const served = new Map<string, ServedObject>()
  const rejected: RejectedObject[] = []
  for (const { origin, value } of found) {
    const parsed = acceptObject(value)
    if (E.isLeft(parsed)) {
      rejected.push({ origin, name: nameOf(value), causes: parsed.left })
      continue
    }
    const { name } = parsed.right.metadata
    const first = served.get(name)
    if (first === undefined) served.set(name, { origin, service: parsed.right })
    else rejected.push(duplicateOf(first, origin))
  }
  for (const { name } of rejected) {
    const kept = name === undefined || served.has(name) ? undefined : lastGood.get(name)
    if (kept !== undefined) served.set(kept.service.metadata.name, kept)
  }
  return { served, rejected }
}
