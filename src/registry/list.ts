import { badRequest, type AggregatorError, type Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import type { HttpAnswer, HttpRequest } from '../http.ts'
import type { ObjectStore } from '../object-store.ts'
import type { CallEnv } from '../service.ts'
import { formatToken, parseToken, type ContinueToken } from './continue-token.ts'
import { parseListOptions, type ListOptions } from './list-options.ts'
import { pageOf, presentState, stateAt, type ListState } from './list-state.ts'
import { negotiate } from './negotiate.ts'
import type { ReadOptions } from './read-options.ts'
import type { ObjectList } from './representation.ts'
import { awaitReady, awaitRevision } from './revision.ts'

/** Which state a list is of, and where in it the page begins. */
interface Plan {
  /** The very revision; `undefined`: the present one. */
  readonly exactly: number | undefined
  /** The present one has to be at least this. */
  readonly atLeast: number
  readonly start: string
  readonly limit: number
}

/** A version with a limit is the very one, as it was before there was a match to ask for. */
const planOfFirst = ({ resourceVersion, match, limit }: ListOptions): Plan => {
  const isExact = match === 'Exact' || (match === undefined && limit > 0)
  const exactly = isExact && resourceVersion !== 0 ? resourceVersion : undefined
  return { exactly, atLeast: resourceVersion ?? 0, start: '', limit: resourceVersion === 0 ? 0 : limit }
}

const planOfNext = (
  { resourceVersion = 0, limit }: ListOptions,
  { revision, start }: ContinueToken,
): E.Either<AggregatorError, Plan> =>
  resourceVersion === 0
    ? E.right({ exactly: revision, atLeast: revision ?? 0, start, limit })
    : E.left(badRequest('specifying resource version is not allowed when using continue'))

const planOf = (options: ListOptions): E.Either<AggregatorError, Plan> =>
  options.continue === ''
    ? E.right(planOfFirst(options))
    : pipe(
        parseToken(options.continue),
        E.flatMap((token) => planOfNext(options, token)),
      )

const expired = ({ start }: Plan): AggregatorError =>
  start === ''
    ? { _tag: 'Expired', message: 'The resourceVersion for the provided list is too old.' }
    : {
        _tag: 'Expired',
        message:
          'The provided continue parameter is too old to display a consistent list result. Start a new list without it, or ' +
          'use the continue token of this response for the rest of the objects as they are now: what was created, changed or ' +
          'deleted between the first page and now may be missing, or be there twice.',
        continue: formatToken({ revision: undefined, start }),
      }

const stateFor = (objects: ObjectStore, plan: Plan): E.Either<AggregatorError, ListState> => {
  const { exactly } = plan
  const state = exactly === undefined ? presentState(objects) : stateAt(objects, exactly)
  return state === undefined ? E.left(expired(plan)) : E.right(state)
}

const listOf = (state: ListState, { selects }: ListOptions, { start, limit }: Plan): ObjectList => {
  const { items, next, remaining } = pageOf(state, selects, start, limit)
  const { revision } = state
  return {
    items,
    metadata: {
      resourceVersion: String(revision),
      ...(next === undefined ? {} : { continue: formatToken({ revision, start: next }) }),
      ...(remaining === undefined ? {} : { remainingItemCount: remaining }),
    },
  }
}

/**
 * All objects, those that are selected, or a page of them. Fails with NotAcceptable, BadRequest, Invalid, Expired, NotYet. Source: GetList of
 * the Kubernetes apiserver's storage.
 */
export const list = (request: HttpRequest, env: CallEnv, { objects, clock }: ReadOptions): Result<HttpAnswer> =>
  pipe(
    TE.Do,
    TE.bind('representation', () => TE.fromEither(negotiate(request))),
    TE.bind('options', () => TE.fromEither(parseListOptions(new URLSearchParams(request.query)))),
    TE.bind('plan', ({ options }) => TE.fromEither(planOf(options))),
    TE.tap(() => awaitReady(objects)),
    TE.tap(({ plan }) => awaitRevision(objects, plan.atLeast, clock, env.signal)),
    TE.flatMapEither(({ representation, options, plan }) =>
      pipe(
        stateFor(objects, plan),
        E.map((state) => representation.list(listOf(state, options, plan))),
      ),
    ),
  )
