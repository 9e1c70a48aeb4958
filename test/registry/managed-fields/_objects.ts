import type { ExecutionContext } from 'ava'

import { apiVersion, kind } from '../../../src/api/dataplane-service.ts'
import type { ManagedFieldsEntry, StoredObject } from '../../../src/api/object.ts'
import { toStatus } from '../../../src/errors.ts'
import { E } from '../../../src/fp.ts'
import { serverSideApply, type FieldManager } from '../../../src/registry/managed-fields/index.ts'

export type Fields = Readonly<Record<string, unknown>>

/** What somebody applies. */
export const manifest = (spec: Fields | undefined, metadata: Fields = {}, more: Fields = {}) => ({
  apiVersion,
  kind,
  metadata: { name: 'n', ...metadata },
  ...(spec === undefined ? {} : { spec }),
  ...more,
})

/** What is stored. */
export const stored = (spec: Fields | undefined, metadata: Fields = {}, more: Fields = {}): StoredObject =>
  manifest(spec, { uid: 'u', resourceVersion: '7', ...metadata }, more)

const isStored = (value: unknown): value is StoredObject => typeof value === 'object' && value !== null

/** As it comes out of JSON, of whatever types. */
export const asStored = (value: unknown): StoredObject => {
  const parsed: unknown = JSON.parse(JSON.stringify(value))
  if (!isStored(parsed)) throw new TypeError('expected an object')
  return parsed
}

export const noon = Date.parse('2026-11-23T12:00:00.750Z')

export const by = (name: string, more: Partial<FieldManager> = {}): FieldManager => ({ name, timeMs: noon, ...more })

export const apply = (
  t: ExecutionContext,
  live: StoredObject | undefined,
  applied: unknown,
  manager: FieldManager,
  isForced = false,
): StoredObject => {
  const result = serverSideApply(live, applied, manager, isForced)
  if (E.isRight(result)) return result.right
  t.log(toStatus(result.left))
  throw new TypeError(toStatus(result.left).message)
}

/** The Status of an apply that fails. */
export const refused = (live: StoredObject | undefined, applied: unknown, manager: FieldManager, isForced = false) => {
  const result = serverSideApply(live, applied, manager, isForced)
  return E.isLeft(result) ? toStatus(result.left) : undefined
}

/** Shape: `{ 'Apply a': { 'f:spec': … }, 'Update b status': … }`. */
export const ownersIn = (object: StoredObject): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    (object.metadata.managedFields ?? []).map(({ operation, manager, subresource, fieldsV1 }) => [
      [operation, manager, subresource].filter((word) => word !== undefined).join(' '),
      fieldsV1,
    ]),
  )

export const entry = (
  manager: string,
  fieldsV1: Fields,
  more: Partial<ManagedFieldsEntry> = {},
): ManagedFieldsEntry => ({
  manager,
  operation: 'Update',
  apiVersion,
  time: '2026-11-01T00:00:00Z',
  fieldsType: 'FieldsV1',
  fieldsV1,
  ...more,
})
