import type { AggregatorError, Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import type { HttpAnswer, HttpRequest } from '../http.ts'
import type { CallEnv } from '../service.ts'
import { carryOut, managerOf, nameOf, type Target } from './carry-out.ts'
import { conflictOf, notFound } from './failures.ts'
import { isObject, own, type JsonObject } from './json-value.ts'
import { serverSideApply } from './managed-fields/index.ts'
import { negotiate } from './negotiate.ts'
import { applyPatch, parseApplied, patchTypeOf, type PatchType } from './patch.ts'
import { checkName, proposePatched } from './propose.ts'
import { parseWriteOptions, type WriteOptions } from './query-options.ts'
import type { Intent } from './write.ts'

type Propose = Intent['propose']

const proposePatch =
  (name: string, type: PatchType, body: Uint8Array, { fieldValidation }: WriteOptions): Propose =>
  (live) =>
    live === undefined
      ? E.left(notFound(name))
      : pipe(
          applyPatch(type, body, live),
          E.flatMap((value) => proposePatched(name, value, fieldValidation)),
        )

/** Text at a field of the metadata; empty where there is none. */
const textIn = (applied: JsonObject, key: string): string => {
  const metadata = own(applied, 'metadata')
  const value = isObject(metadata) ? own(metadata, key) : undefined
  return typeof value === 'string' ? value : ''
}

/** Whether the user may create what is not there. */
type MayCreate = boolean

/**
 * Who may change objects may not create them by it. Asked where there is nothing when the request comes; what goes away later is not created
 * anew for somebody who was not asked about. Source: withAuthorization of apiserver's PatchResource.
 */
const askToCreate = (name: string, { mayCreate }: CallEnv, { objects }: Target): Result<MayCreate> => {
  if (mayCreate === undefined) return TE.right(true)
  return pipe(
    TE.fromTask(() => objects.ready),
    TE.flatMap(() =>
      objects.get(name) === undefined
        ? pipe(
            mayCreate,
            TE.map(() => true),
          )
        : TE.right(false),
    ),
  )
}

/** What cannot be applied to nothing. */
const checkFirst = (
  applied: JsonObject,
  name: string,
  { subresource }: Target,
  mayCreate: MayCreate,
): E.Either<AggregatorError, void> => {
  if (subresource !== undefined) return E.left(notFound(name))
  if (!mayCreate) return E.left(conflictOf(name, 'the object has been deleted meanwhile; please apply it again'))
  const uid = textIn(applied, 'uid').slice(0, 63)
  if (uid === '') return E.right(undefined)
  const text = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`
  return E.left(conflictOf(name, text))
}

const proposeApplied =
  (name: string, target: Target, applied: JsonObject, options: WriteOptions, mayCreate: MayCreate): Propose =>
  (live) =>
    pipe(
      live === undefined ? checkFirst(applied, name, target, mayCreate) : E.right(undefined),
      E.flatMap(() => serverSideApply(live, applied, managerOf(target, options), options.isForced)),
      E.flatMap((object) => proposePatched(name, object, options.fieldValidation)),
      E.map((proposal) => ({ ...proposal, isOwned: true })),
    )

const proposeFor = (
  type: PatchType | 'apply',
  body: Uint8Array,
  options: WriteOptions,
  target: Target,
  name: string,
  mayCreate: MayCreate,
): E.Either<AggregatorError, Propose> =>
  type === 'apply'
    ? pipe(
        parseApplied(body, name),
        E.map((applied) => proposeApplied(name, target, applied, options, mayCreate)),
      )
    : E.right(proposePatch(name, type, body, options))

const named =
  (name: string, propose: Propose): Propose =>
  (live) =>
    pipe(
      propose(live),
      E.tap(({ object }) => checkName(object, name)),
    )

const contentTypeOf = ({ headers }: HttpRequest): string | undefined => {
  const given = headers['content-type']
  return typeof given === 'string' ? given : undefined
}

/**
 * Changes parts of an object, or applies one, and creates it if it is not there. Fails with what is wrong with the patch and what it makes
 * of the object, NotFound, Conflict. Source: PatchResource of apiserver.
 */
export const amend = (request: HttpRequest, env: CallEnv, target: Target): Result<HttpAnswer> =>
  pipe(
    TE.Do,
    TE.bind('type', () => TE.fromEither(patchTypeOf(contentTypeOf(request)))),
    TE.bind('representation', () => TE.fromEither(negotiate(request))),
    TE.bind('body', () => request.readBytes),
    TE.bind('options', ({ type }) => TE.fromEither(parseWriteOptions('PatchOptions', request, type === 'apply'))),
    TE.bind('mayCreate', ({ type }) =>
      type === 'apply' && target.subresource === undefined
        ? askToCreate(nameOf(request), env, target)
        : TE.right(false),
    ),
    TE.bind('propose', ({ type, body, options, mayCreate }) =>
      TE.fromEither(proposeFor(type, body, options, target, nameOf(request), mayCreate)),
    ),
    TE.flatMap(({ representation, options, propose }) =>
      carryOut(request, env, target, { representation, options, propose: named(nameOf(request), propose) }),
    ),
  )
