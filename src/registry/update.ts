import type { StoredObject } from '../api/object.ts'
import type { AggregatorError, Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import type { HttpAnswer, HttpRequest } from '../http.ts'
import type { CallEnv } from '../service.ts'
import { carryOut, nameOf, type Target } from './carry-out.ts'
import { conflictOf, notFound } from './failures.ts'
import { decodeObject, syntaxOf } from './input.ts'
import { negotiate } from './negotiate.ts'
import { checkName, proposeBody } from './propose.ts'
import { parseWriteOptions } from './query-options.ts'
import type { Intent, Proposal } from './write.ts'

/** Who names a uid means that very object. */
const checkUid = (live: StoredObject, { metadata: { uid = '' } }: StoredObject): E.Either<AggregatorError, void> => {
  if (uid === '' || uid === live.metadata.uid) return E.right(undefined)
  const text = `Precondition failed: UID in precondition: ${uid.slice(0, 63)}, UID in object meta: ${live.metadata.uid ?? ''}`
  return E.left(conflictOf(live.metadata.name, text))
}

const proposeInPlace =
  (name: string, proposal: Proposal): Intent['propose'] =>
  (live) =>
    live === undefined
      ? E.left(notFound(name))
      : pipe(
          checkUid(live, proposal.object),
          E.map(() => proposal),
        )

/**
 * Puts the object of a body in the place of the one that its author saw last. Fails with what is wrong with either, NotFound, Conflict.
 * Source: UpdateResource of apiserver.
 */
export const update = (request: HttpRequest, env: CallEnv, target: Target): Result<HttpAnswer> =>
  pipe(
    TE.Do,
    TE.bind('representation', () => TE.fromEither(negotiate(request))),
    TE.bind('syntax', () => TE.fromEither(syntaxOf(request))),
    TE.bind('body', () => request.readBytes),
    TE.bind('options', () => TE.fromEither(parseWriteOptions('UpdateOptions', request))),
    TE.bind('decoded', ({ body, syntax }) => TE.fromEither(decodeObject(body, syntax))),
    TE.bind('proposal', ({ decoded, options }) => TE.fromEither(proposeBody(decoded, options.fieldValidation))),
    TE.tap(({ proposal }) => TE.fromEither(checkName(proposal.object, nameOf(request)))),
    TE.flatMap(({ representation, options, proposal }) =>
      carryOut(request, env, target, { representation, options, propose: proposeInPlace(nameOf(request), proposal) }),
    ),
  )
