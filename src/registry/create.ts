import { randomInt } from 'node:crypto'

import type { StoredObject } from '../api/object.ts'
import type { AggregatorError, Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import type { HttpAnswer, HttpRequest } from '../http.ts'
import type { ObjectStore } from '../object-store.ts'
import type { CallEnv } from '../service.ts'
import { invalid, namesAreTaken } from './failures.ts'
import { decodeObject, syntaxOf } from './input.ts'
import { negotiate } from './negotiate.ts'
import { proposeBody } from './propose.ts'
import { parseWriteOptions, type WriteOptions } from './query-options.ts'
import { warningHeaders } from './warnings.ts'
import { write, type Proposal, type Written } from './write.ts'

/** No vowels, and nothing that looks like another. Source: SimpleNameGenerator of apiserver. */
const letters = 'bcdfghjklmnpqrstvwxz2456789'
const suffixLength = 5
const maxPrefixLength = 63 - suffixLength

/** How often a name is made that is taken already. */
const maxNames = 8

const generate = (prefix: string): string =>
  prefix.slice(0, maxPrefixLength) +
  Array.from({ length: suffixLength }, () => letters.charAt(randomInt(letters.length))).join('')

const withName = (object: StoredObject, name: string): StoredObject => ({
  ...object,
  metadata: { ...object.metadata, name },
})

interface Wanted {
  readonly proposal: Proposal
  readonly options: WriteOptions
  readonly timeMs: number
  readonly signal: AbortSignal
}

const createAs = (objects: ObjectStore, name: string, { proposal, options, timeMs, signal }: Wanted): Result<Written> =>
  write(objects, {
    name,
    isNew: true,
    isDryRun: options.isDryRun,
    signal,
    manager: { name: options.manager, timeMs },
    propose: () => E.right({ ...proposal, object: withName(proposal.object, name) }),
  })

const createGenerated = (objects: ObjectStore, prefix: string, wanted: Wanted, left = maxNames): Result<Written> => {
  const name = generate(prefix)
  return pipe(
    createAs(objects, name, wanted),
    TE.orElse((error: AggregatorError) => {
      if (error._tag !== 'AlreadyExists') return TE.left(error)
      return left <= 1 ? TE.left(namesAreTaken(name)) : createGenerated(objects, prefix, wanted, left - 1)
    }),
  )
}

const nameless: AggregatorError = invalid('', [
  {
    reason: 'FieldValueRequired',
    field: 'metadata.name',
    message: 'Required value: name or generateName is required',
  },
])

const createWanted = (objects: ObjectStore, wanted: Wanted): Result<Written> => {
  const { name, generateName = '' } = wanted.proposal.object.metadata
  if (name !== '') return createAs(objects, name, wanted)
  return generateName === '' ? TE.left(nameless) : createGenerated(objects, generateName, wanted)
}

/** Makes an object out of a body. Fails with what is wrong with either, and AlreadyExists. Source: createHandler of apiserver. */
export const create = (request: HttpRequest, env: CallEnv, objects: ObjectStore, timeMs: number): Result<HttpAnswer> =>
  pipe(
    TE.Do,
    TE.bind('representation', () => TE.fromEither(negotiate(request))),
    TE.bind('syntax', () => TE.fromEither(syntaxOf(request))),
    TE.bind('body', () => request.readBytes),
    TE.bind('options', () => TE.fromEither(parseWriteOptions('CreateOptions', request))),
    TE.bind('decoded', ({ body, syntax }) => TE.fromEither(decodeObject(body, syntax))),
    TE.bind('proposal', ({ decoded, options }) => TE.fromEither(proposeBody(decoded, options.fieldValidation))),
    TE.bind('written', ({ proposal, options }) =>
      createWanted(objects, { proposal, options, timeMs, signal: env.signal }),
    ),
    TE.map(({ representation, written }) =>
      representation.object(201, written.object, warningHeaders(written.warnings)),
    ),
  )
