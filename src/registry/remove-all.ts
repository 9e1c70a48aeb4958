import type { StoredObject } from '../api/object.ts'
import type { AggregatorError, Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import type { HttpAnswer, HttpRequest } from '../http.ts'
import type { ObjectStore } from '../object-store.ts'
import type { CallEnv } from '../service.ts'
import type { DeleteOptions } from './delete-options.ts'
import { parseListOptions } from './list-options.ts'
import { pageOf, presentState } from './list-state.ts'
import { negotiate } from './negotiate.ts'
import { deleted, readDeleteOptions } from './remove.ts'
import type { Selection } from './selectors.ts'
import { nextTurn, swap, type Step } from './swap.ts'

interface Removal {
  readonly objects: ObjectStore
  readonly options: DeleteOptions
  readonly selects: Selection
  readonly timeMs: number
  readonly signal: AbortSignal
}

/** One that is another by now, or would not be found any more, is not what was to be deleted. */
const removeOne = (found: StoredObject, { objects, options, selects, timeMs, signal }: Removal): Result<unknown> =>
  swap(
    objects,
    { name: found.metadata.name, isDryRun: options.isDryRun, signal },
    (live): E.Either<AggregatorError, Step> => {
      const isStillMeant = live !== undefined && live.metadata.uid === found.metadata.uid && selects(live)
      return isStillMeant ? deleted(live, options, timeMs) : E.right({ next: live })
    },
  )

/** Whoever compiles the objects does so once for each of these. */
const batchSize = 100

const removeEach =
  (found: ReadonlyArray<StoredObject>, removal: Removal): Result<void> =>
  async () => {
    for (let start = 0; start < found.length; start += batchSize) {
      const batch = found.slice(start, start + batchSize)
      const outcomes = await Promise.all(batch.map((object) => removeOne(object, removal)()))
      const failed = outcomes.find(E.isLeft)
      if (failed !== undefined) return failed
      // Other requests have their turn.
      await nextTurn()
    }
    return E.right(undefined)
  }

/**
 * Deletes what selectors choose, a page of it if there is a limit; the answer is the list, as it was found. Fails with what is wrong with
 * the request, Conflict. Source: DeleteCollection of apiserver.
 */
export const removeAll = (
  request: HttpRequest,
  { signal }: CallEnv,
  objects: ObjectStore,
  timeMs: number,
): Result<HttpAnswer> =>
  pipe(
    TE.Do,
    TE.bind('representation', () => TE.fromEither(negotiate(request))),
    TE.bind('options', () => readDeleteOptions(request)),
    TE.bind('listOptions', () => TE.fromEither(parseListOptions(new URLSearchParams(request.query)))),
    TE.tap(() => TE.fromTask(() => objects.ready)),
    TE.bind('found', ({ listOptions: { selects, limit } }) => {
      const state = presentState(objects)
      return TE.right({ revision: state.revision, items: pageOf(state, selects, '', limit).items })
    }),
    TE.tap(({ found, options, listOptions: { selects } }) =>
      removeEach(found.items, { objects, options, selects, timeMs, signal }),
    ),
    TE.map(({ representation, found: { items, revision } }) =>
      representation.list({ metadata: { resourceVersion: String(revision) }, items }),
    ),
  )
