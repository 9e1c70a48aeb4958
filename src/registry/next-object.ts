import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'

import { apiVersion, kind } from '../api/dataplane-service.ts'
import type { StoredObject } from '../api/object.ts'
import { dataPlaneServiceSchema } from '../api/schema.ts'
import type { StatusCause } from '../api/status.ts'
import { parseDataPlaneService } from '../api/validation.ts'
import { quote } from '../decode.ts'
import { badRequest, type AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import { checkMetadata, checkMetadataUpdate } from './check-metadata.ts'
import { invalid, invalidResource, modified } from './failures.ts'
import { createdMetadata, updatedMetadata } from './object-meta.ts'
import { checkSchema } from './schema-check.ts'

type Causes = ReadonlyArray<StatusCause>
type Next = E.Either<AggregatorError, StoredObject>

const expected = [
  ['apiVersion', apiVersion],
  ['kind', kind],
] as const

const checkType = (object: StoredObject): Causes =>
  expected
    .filter(([field, value]) => object[field] !== value)
    .map(([field, value]) => ({
      reason: 'FieldValueInvalid',
      field,
      message: `Invalid value: ${quote(object[field])}: must be ${value}`,
    }))

/** Our own rules last: they take the schema for granted. */
const checkSpec = (object: StoredObject): Causes => {
  const causes = checkSchema(object, dataPlaneServiceSchema)
  if (causes.length > 0) return causes
  return pipe(
    parseDataPlaneService(object),
    E.match(
      (left) => left,
      () => [],
    ),
  )
}

const checkObject = (object: StoredObject): Causes => {
  const type = checkType(object)
  if (type.length > 0) return type
  // Of metadata the validation knows a little, too.
  const spec = checkSpec(object).filter(({ field }) => !field.startsWith('metadata.'))
  return [...checkMetadata(object.metadata), ...spec]
}

const unless = (causes: Causes, object: StoredObject): Next =>
  causes.length > 0 ? E.left(invalid(object.metadata.name, causes)) : E.right(object)

/** What is stored of a new object: without a status, which is nothing that its author knows. Fails with BadRequest, Invalid. */
export const createdFrom = (given: StoredObject, timeMs: number): Next => {
  if ((given.metadata.resourceVersion ?? '') !== '') {
    return E.left(badRequest('resourceVersion should not be set on objects to be created'))
  }
  const { status: _, ...rest } = given
  const object = { ...rest, metadata: createdMetadata(given.metadata, randomUUID(), timeMs) }
  return unless(checkObject(object), object)
}

const mustBeGiven: StatusCause = {
  reason: 'FieldValueInvalid',
  field: 'metadata.resourceVersion',
  message: 'Invalid value: 0: must be specified for an update',
}

/** Who says what he saw last wants nobody's change lost. */
const checkVersion = (live: StoredObject, given: StoredObject): AggregatorError | undefined => {
  const { name } = live.metadata
  const { resourceVersion = '' } = given.metadata
  if (/^0*$/.test(resourceVersion)) return invalidResource(name, [mustBeGiven])
  if (!/^\d+$/.test(resourceVersion)) {
    return badRequest(`expected metadata.resourceVersion to be a decimal integer, got ${quote(resourceVersion)}`)
  }
  return resourceVersion === live.metadata.resourceVersion ? undefined : modified(name)
}

const withStatus = (object: StoredObject, { status }: StoredObject): StoredObject => {
  const { status: _, ...rest } = object
  return status === undefined ? rest : { ...rest, status }
}

/** Through the subresource nothing changes but the status, and who owns it. */
const withNewStatus = (live: StoredObject, given: StoredObject): Next => {
  const { finalizers = [], ...rest } = live.metadata
  const { managedFields, uid } = given.metadata
  const causes = [
    ...checkType(given),
    ...checkMetadataUpdate(live, { ...rest, finalizers, ...(uid === undefined ? {} : { uid }) }),
    ...checkSchema(given.status ?? {}, dataPlaneServiceSchema.properties?.['status'] ?? {}, 'status'),
  ]
  const metadata = managedFields === undefined ? live.metadata : { ...live.metadata, managedFields }
  return unless(causes, { ...withStatus(live, given), metadata })
}

const withNewSpec = (live: StoredObject, given: StoredObject): Next => {
  const metadata = updatedMetadata(live, given.metadata, !isDeepStrictEqual(live.spec, given.spec))
  const object = withStatus({ ...given, metadata }, live)
  return unless([...checkMetadataUpdate(live, given.metadata), ...checkObject(object)], object)
}

/**
 * What is stored in the place of the live one, which is what `given` says it saw. Fails with BadRequest, Conflict, Invalid. Pure. Source: the
 * strategies of apiextensions for objects and their status.
 */
export const updatedFrom = (live: StoredObject, given: StoredObject, subresource: 'status' | undefined): Next => {
  const fault = checkVersion(live, given)
  if (fault !== undefined) return E.left(fault)
  return subresource === 'status' ? withNewStatus(live, given) : withNewSpec(live, given)
}
