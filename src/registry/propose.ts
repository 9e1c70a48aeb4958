import { apiVersion } from '../api/dataplane-service.ts'
import type { StoredObject } from '../api/object.ts'
import type { StatusCause } from '../api/status.ts'
import { describeCauses } from '../decode.ts'
import { badRequest, type AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import { toCandidate, type Candidate } from './candidate.ts'
import { invalid } from './failures.ts'
import { cannotBeHandled, type DecodedObject } from './input.ts'
import { isObject, own, type JsonObject } from './json-value.ts'
import type { FieldValidation } from './query-options.ts'
import type { Proposal } from './write.ts'

type Causes = ReadonlyArray<StatusCause>

/** A rule is broken; else it is no object at all. */
const isInvalid = (causes: Causes): boolean => causes.every(({ reason }) => reason === 'FieldValueTooLong')

const nameIn = (value: JsonObject): string => {
  const metadata = own(value, 'metadata')
  const name = isObject(metadata) ? own(metadata, 'name') : undefined
  return typeof name === 'string' ? name : ''
}

/** The author of a body chose the names in it, and how long they are. */
const quoteField = (field: string): string => JSON.stringify(field.slice(0, 512))

const faultsOf = (unknownFields: ReadonlyArray<string>, duplicates: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...duplicates.map((field) => `duplicate field ${quoteField(field)}`),
  ...unknownFields.map((field) => `unknown field ${quoteField(field)}`),
]

/** As many as anybody would read. */
const maxFaults = 32

const describe = (faults: ReadonlyArray<string>): string => {
  const rest = faults.length > maxFaults ? [`and ${String(faults.length - maxFaults)} more`] : []
  return `strict decoding error: ${[...faults.slice(0, maxFaults), ...rest].join(', ')}`
}

const warningsOf = (faults: ReadonlyArray<string>, fieldValidation: FieldValidation): ReadonlyArray<string> =>
  fieldValidation === 'Ignore' ? [] : faults

const ofOtherVersion = (given: unknown): AggregatorError =>
  badRequest(
    `the API version in the data (${typeof given === 'string' ? given.slice(0, 320) : ''}) does not match the expected API version ` +
      `(${apiVersion})`,
  )

/** What the body of a POST or PUT wants. Fails with BadRequest, Invalid. Pure. */
export const proposeBody = (
  { value, duplicates }: DecodedObject,
  fieldValidation: FieldValidation,
): E.Either<AggregatorError, Proposal> => {
  if (own(value, 'apiVersion') !== apiVersion) return E.left(ofOtherVersion(own(value, 'apiVersion')))
  return pipe(
    toCandidate(value),
    E.mapLeft((causes) =>
      isInvalid(causes) ? invalid(nameIn(value), causes) : cannotBeHandled(describeCauses(causes)),
    ),
    E.flatMap(({ object, unknownFields }: Candidate) => {
      const faults = faultsOf(unknownFields, duplicates)
      return fieldValidation === 'Strict' && faults.length > 0
        ? E.left(cannotBeHandled(describe(faults)))
        : E.right({ object, warnings: warningsOf(faults, fieldValidation) })
    }),
  )
}

/** What a patch wants, once it is applied. Fails with Invalid: it fits the object, but what it makes of it fits nothing. Pure. */
export const proposePatched = (
  name: string,
  value: unknown,
  fieldValidation: FieldValidation,
): E.Either<AggregatorError, Proposal> =>
  pipe(
    toCandidate(value),
    E.mapLeft((causes) => invalid(name, causes)),
    E.flatMap(({ object, unknownFields }: Candidate) => {
      const faults = faultsOf(unknownFields, [])
      const strict: Causes = [{ reason: 'FieldValueInvalid', field: 'patch', message: describe(faults) }]
      return fieldValidation === 'Strict' && faults.length > 0
        ? E.left(invalid(name, strict))
        : E.right({ object, warnings: warningsOf(faults, fieldValidation) })
    }),
  )

/** The name in an object, and that in the URL, are one. Fails with BadRequest. */
export const checkName = (object: StoredObject, name: string): E.Either<AggregatorError, void> => {
  const given = object.metadata.name
  if (given === name) return E.right(undefined)
  return E.left(
    badRequest(
      given === ''
        ? `the name of the object (${name} based on URL) was undeterminable: name must be provided`
        : `the name of the object (${given.slice(0, 253)}) does not match the name on the URL (${name})`,
    ),
  )
}
