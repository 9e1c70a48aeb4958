import * as t from 'io-ts'

import type { CauseReason, StatusCause } from './api/status.ts'
import { E } from './fp.ts'

/** More causes than this help nobody; the rest is counted in a last one. */
const maxCauses = 32

const maxQuoted = 80

const cut = (text: string): string => (text.length > maxQuoted ? `${text.slice(0, maxQuoted - 3)}...` : text)

/** A value for a message. Long ones are cut: the report shall name the culprit, not carry it. */
export const quote = (value: string): string => JSON.stringify(cut(value))

/**
 * Path of a wrong field as Kubernetes writes it. Shape: `spec.services[1].path`. io-ts puts the index of the branch into the path
 * under a union or an intersection: keys whose parent is one are dropped.
 */
const fieldOf = (context: t.Context): string => {
  let field = ''
  for (let i = 1; i < context.length; i++) {
    const parent = context[i - 1]
    if (parent?.type instanceof t.UnionType || parent?.type instanceof t.IntersectionType) continue
    const key = context[i]?.key ?? ''
    field += Array.isArray(parent?.actual) ? `[${key}]` : `${field && '.'}${cut(key)}`
  }
  return field
}

/** The nature of a value, never the value: it may be a secret. */
const natureOf = (value: unknown): string => {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** What a codec wants, in a word: the name of a structural codec spells out the whole of it. */
const wantedBy = (type: t.Decoder<unknown, unknown> | undefined): string => {
  if (type instanceof t.ArrayType || type instanceof t.ReadonlyArrayType) return 'an array'
  if (type instanceof t.InterfaceType || type instanceof t.PartialType || type instanceof t.IntersectionType) {
    return 'an object'
  }
  return type?.name ?? 'a value'
}

/** What the innermost codec wants. A union reports each of its branches: the union itself is what was expected. */
const expectedAt = (context: t.Context): { field: string; name: string } => {
  const last = context.findIndex(({ type }) => type instanceof t.UnionType)
  const upTo = last === -1 ? context : context.slice(0, last + 1)
  return { field: fieldOf(upTo), name: wantedBy(upTo.at(-1)?.type) }
}

/** What a codec has to say in its own words. */
interface Fault extends t.ValidationError {
  readonly reason: CauseReason
  readonly message: string
}

const isFault = (error: t.ValidationError): error is Fault => 'reason' in error

/** Fails a codec with more than that a type was expected. `message` must not quote the value. */
export const fault = (context: t.Context, reason: CauseReason, message: string): t.Validation<never> => {
  const error: Fault = { value: undefined, context, reason, message }
  return t.failures([error])
}

const toCause = (error: t.ValidationError): StatusCause => {
  const { context, value } = error
  if (isFault(error)) return { reason: error.reason, field: fieldOf(context), message: error.message }
  const { field, name } = expectedAt(context)
  return value === undefined
    ? { reason: 'FieldValueRequired', field, message: `expected ${name}, got nothing` }
    : { reason: 'FieldValueTypeInvalid', field, message: `expected ${name}, got ${natureOf(value)}` }
}

/** At most so many causes as somebody would read. */
export const capCauses = (causes: ReadonlyArray<StatusCause>): ReadonlyArray<StatusCause> => {
  if (causes.length <= maxCauses) return causes
  const rest = `and ${String(causes.length - maxCauses)} more wrong fields`
  return [...causes.slice(0, maxCauses), { reason: 'FieldValueInvalid', field: '', message: rest }]
}

/** The causes of a failed decode, one for each wrong field, in the order of the codec. Values are never quoted. */
export const causesOf = (errors: t.Errors): ReadonlyArray<StatusCause> => {
  const causes = new Map<string, StatusCause>()
  for (const error of errors) {
    const cause = toCause(error)
    if (!causes.has(cause.field)) causes.set(cause.field, cause)
  }
  return capCauses([...causes.values()])
}

/** Runs a codec; left: one cause for each wrong field. */
export const decodeWith =
  <A>(codec: t.Decoder<unknown, A>) =>
  (value: unknown): E.Either<ReadonlyArray<StatusCause>, A> =>
    E.mapLeft(causesOf)(codec.decode(value))

/** One sentence for people out of causes for machines. Shape: `queries[0].refId: expected string, got a number; …`. */
export const describeCauses = (causes: ReadonlyArray<StatusCause>): string =>
  causes.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`)).join('; ')
