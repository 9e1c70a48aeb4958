import { TE, pipe } from '../fp.ts'
import type { Result } from '../errors.ts'
import type { HttpAnswer, HttpRequest } from '../http.ts'
import type { ObjectStore } from '../object-store.ts'
import type { CallEnv } from '../service.ts'
import type { FieldManager } from './managed-fields/index.ts'
import type { WriteOptions } from './query-options.ts'
import type { Representation } from './representation.ts'
import { warningHeaders } from './warnings.ts'
import { write, type Intent } from './write.ts'

/** Where a change goes: into an object, or into its status. */
export interface Target {
  readonly objects: ObjectStore
  readonly subresource: 'status' | undefined
  /** The one `now` of the request, ms since the epoch. */
  readonly timeMs: number
}

/** The name in the URL. */
export const nameOf = ({ params }: HttpRequest): string => params.name ?? ''

/** Who makes the change. */
export const managerOf = ({ subresource, timeMs }: Target, { manager }: WriteOptions): FieldManager => ({
  name: manager,
  timeMs,
  ...(subresource === undefined ? {} : { subresource }),
})

export interface Change {
  readonly representation: Representation
  readonly options: WriteOptions
  readonly propose: Intent['propose']
}

/** Changes the object that the URL names, and tells of it as its author wants to read it. */
export const carryOut = (
  request: HttpRequest,
  { signal }: CallEnv,
  target: Target,
  { representation, options, propose }: Change,
): Result<HttpAnswer> =>
  pipe(
    write(target.objects, {
      name: nameOf(request),
      isNew: false,
      isDryRun: options.isDryRun,
      signal,
      manager: managerOf(target, options),
      propose,
    }),
    TE.map(({ object, isCreated, warnings }) =>
      representation.object(isCreated ? 201 : 200, object, warningHeaders(warnings)),
    ),
  )
