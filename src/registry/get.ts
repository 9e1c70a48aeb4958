import type { StoredObject } from '../api/object.ts'
import type { AggregatorError, Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import type { HttpAnswer, HttpRequest } from '../http.ts'
import type { ObjectStore } from '../object-store.ts'
import type { CallEnv } from '../service.ts'
import { notFound } from './failures.ts'
import { negotiate } from './negotiate.ts'
import type { ReadOptions } from './read-options.ts'
import { awaitReady, awaitRevision, parseRevision } from './revision.ts'

const find = (objects: ObjectStore, name: string): E.Either<AggregatorError, StoredObject> => {
  const object = objects.get(name)
  return object === undefined ? E.left(notFound(name)) : E.right(object)
}

/**
 * One object by its name, whole also below `/status`; with a `resourceVersion`, not older than that. Fails with NotAcceptable,
 * BadRequest, NotFound, NotYet.
 */
export const get = (request: HttpRequest, env: CallEnv, { objects, clock }: ReadOptions): Result<HttpAnswer> =>
  pipe(
    TE.Do,
    TE.bind('representation', () => TE.fromEither(negotiate(request))),
    TE.bind('revision', () =>
      TE.fromEither(parseRevision(new URLSearchParams(request.query).get('resourceVersion') ?? '')),
    ),
    TE.tap(() => awaitReady(objects)),
    TE.tap(({ revision = 0 }) => awaitRevision(objects, revision, clock, env.signal)),
    TE.flatMapEither(({ representation }) =>
      pipe(
        find(objects, request.params.name ?? ''),
        E.map((object) => representation.object(200, object)),
      ),
    ),
  )
