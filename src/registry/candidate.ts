import { ObjectMetaShape, type ObjectMeta, type StoredObject } from '../api/object.ts'
import type { StatusCause } from '../api/status.ts'
import { decodeWith } from '../decode.ts'
import { E, pipe } from '../fp.ts'
import { conform } from './fields.ts'
import { isObject, own } from './json-value.ts'

/** An object that somebody wants, with the fields of the schema and metadata of the right types; no rule is checked yet. */
export interface Candidate {
  /** Its name is empty where none was given. */
  readonly object: StoredObject
  readonly unknownFields: ReadonlyArray<string>
}

type Causes = ReadonlyArray<StatusCause>

const texts = ['apiVersion', 'kind'] as const

const isCandidate = (
  value: object,
): value is Omit<StoredObject, 'metadata'> & { readonly metadata?: Partial<ObjectMeta> } =>
  texts.every((key) => typeof Reflect.get(value, key) === 'string')

/** Of each entry there may be something to say. Only managedFields grow by themselves, with each manager that applies. */
const maxEntries: Readonly<Record<string, number>> = {
  labels: 1000,
  annotations: 10_000,
  finalizers: 1000,
  ownerReferences: 1000,
  managedFields: 10_000,
}

const checkSizes = (metadata: unknown): Causes =>
  Object.entries(maxEntries).flatMap(([key, max]): Causes => {
    const entries = isObject(metadata) ? own(metadata, key) : undefined
    const isLong = typeof entries === 'object' && entries !== null && Object.keys(entries).length > max
    const message = `Too long: must have at most ${String(max)} items`
    return isLong ? [{ reason: 'FieldValueTooLong', field: `metadata.${key}`, message }] : []
  })

const decodeMetadata = (metadata: unknown): E.Either<Causes, unknown> => {
  const tooLong = checkSizes(metadata)
  if (tooLong.length > 0) return E.left(tooLong)
  return pipe(
    decodeWith(ObjectMetaShape)(metadata),
    E.mapLeft((causes) =>
      causes.map((cause) => ({ ...cause, field: cause.field === '' ? 'metadata' : `metadata.${cause.field}` })),
    ),
  )
}

/** Left: fields of metadata that are of wrong types, or too many. */
export const toCandidate = (value: unknown): E.Either<Causes, Candidate> => {
  const { value: conformed, unknownFields } = conform(value)
  if (!isObject(conformed) || !isCandidate(conformed)) {
    const wrong = texts.filter((key) => !isObject(conformed) || typeof own(conformed, key) !== 'string')
    return E.left(wrong.map((field) => ({ reason: 'FieldValueTypeInvalid', field, message: 'expected string' })))
  }
  return pipe(
    decodeMetadata(own(conformed, 'metadata') ?? {}),
    E.map(() => {
      const { metadata = {} } = conformed
      return { object: { ...conformed, metadata: { ...metadata, name: metadata.name ?? '' } }, unknownFields }
    }),
  )
}
