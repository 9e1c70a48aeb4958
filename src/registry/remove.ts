import { group, resource } from '../api/dataplane-service.ts'
import type { StoredObject } from '../api/object.ts'
import type { AggregatorError, Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import type { HttpAnswer, HttpRequest } from '../http.ts'
import type { ObjectStore } from '../object-store.ts'
import type { CallEnv } from '../service.ts'
import { parseDeleteOptions, type DeleteOptions } from './delete-options.ts'
import { conflictOf, notFound } from './failures.ts'
import { syntaxOf } from './input.ts'
import { negotiate } from './negotiate.ts'
import { formatTime } from './object-meta.ts'
import { swap, type Step } from './swap.ts'

/** The body and the query of a delete. The Content-Type counts where there is a body. */
export const readDeleteOptions = (request: HttpRequest): Result<DeleteOptions> =>
  pipe(
    TE.Do,
    TE.bind('syntax', () => TE.fromEither(syntaxOf(request))),
    TE.bind('body', () => request.readBytes),
    TE.flatMapEither(({ syntax, body }) => parseDeleteOptions(request, body, syntax)),
  )

const checkPreconditions = (
  { metadata }: StoredObject,
  { uid = metadata.uid, resourceVersion = metadata.resourceVersion }: DeleteOptions['preconditions'],
): E.Either<AggregatorError, void> => {
  const unlike = (what: string, given = '', is = ''): string =>
    `the ${what} in the precondition (${given.slice(0, 63)}) does not match the ${what} in record (${is})`
  if (uid !== metadata.uid) {
    const text = `${unlike('UID', uid, metadata.uid)}. The object might have been deleted and then recreated`
    return E.left(conflictOf(metadata.name, text))
  }
  if (resourceVersion === metadata.resourceVersion) return E.right(undefined)
  const text = `${unlike('ResourceVersion', resourceVersion, metadata.resourceVersion)}. The object might have been modified`
  return E.left(conflictOf(metadata.name, text))
}

/** It stays for as long as its finalizers do. Source: BeforeDelete of apiserver. */
const terminating = (live: StoredObject, timeMs: number): StoredObject => {
  const { metadata } = live
  if (metadata.deletionTimestamp !== undefined) return live
  return {
    ...live,
    metadata: {
      ...metadata,
      generation: (metadata.generation ?? 1) + 1,
      deletionTimestamp: formatTime(timeMs),
      deletionGracePeriodSeconds: 0,
    },
  }
}

/** What a delete makes of an object. Fails with Conflict. Pure. */
export const deleted = (live: StoredObject, options: DeleteOptions, timeMs: number): E.Either<AggregatorError, Step> =>
  pipe(
    checkPreconditions(live, options.preconditions),
    E.map(() => ({
      next: (live.metadata.finalizers ?? []).length === 0 ? undefined : terminating(live, timeMs),
    })),
  )

/** Source: metav1.Status of a delete, which has no code. */
const success = ({ metadata: { name, uid } }: StoredObject) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Success',
  details: { name, group, kind: resource, ...(uid === undefined ? {} : { uid }) },
})

/**
 * Deletes an object, or begins to, where it has finalizers: then the answer is the object. Fails with what is wrong with the request,
 * NotFound, Conflict. Source: DeleteResource of apiserver.
 */
export const remove = (
  request: HttpRequest,
  env: CallEnv,
  objects: ObjectStore,
  timeMs: number,
): Result<HttpAnswer> => {
  const { name = '' } = request.params
  return pipe(
    TE.Do,
    TE.bind('representation', () => TE.fromEither(negotiate(request))),
    TE.bind('options', () => readDeleteOptions(request)),
    TE.bind('swapped', ({ options }) =>
      swap(objects, { name, isDryRun: options.isDryRun, signal: env.signal }, (live) =>
        live === undefined ? E.left(notFound(name)) : deleted(live, options, timeMs),
      ),
    ),
    TE.flatMapEither(({ representation, swapped: { object, step } }) => {
      if (object === undefined) return E.left(notFound(name))
      return E.right(
        step.next === undefined ? representation.document(200, success(object)) : representation.object(200, object),
      )
    }),
  )
}
