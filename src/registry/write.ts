import { isDeepStrictEqual } from 'node:util'

import type { StoredObject } from '../api/object.ts'
import type { AggregatorError, Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import type { ObjectStore } from '../object-store.ts'
import { toCandidate } from './candidate.ts'
import { alreadyExists } from './failures.ts'
import { ownUpdate, type FieldManager } from './managed-fields/index.ts'
import { createdFrom, updatedFrom } from './next-object.ts'
import { metadataWarnings } from './object-meta.ts'
import { swap, type Step, type SwapOptions } from './swap.ts'

/** What somebody wants an object to be: fields of the schema only, metadata of the right types, no rule checked yet. */
export interface Proposal {
  readonly object: StoredObject
  /** Texts for Warning headers. */
  readonly warnings: ReadonlyArray<string>
  /** Whether its managedFields say already who owns what, as after a server-side apply; else it is told by what changes. */
  readonly isOwned?: boolean
}

export interface Intent extends SwapOptions {
  readonly manager: FieldManager
  /** Whether there must not be one yet. */
  readonly isNew: boolean
  /**
   * What is wanted, out of what there is (`undefined`: nothing, and it is created). Pure: it is asked again with the newest object
   * whenever somebody else was faster.
   */
  readonly propose: (live: StoredObject | undefined) => E.Either<AggregatorError, Proposal>
}

/** What became of it. */
export interface Written {
  readonly object: StoredObject
  readonly isCreated: boolean
  /** Texts for Warning headers. */
  readonly warnings: ReadonlyArray<string>
}

interface WriteStep extends Step {
  readonly next: StoredObject | undefined
  /** The outcome, as it was decided on. */
  readonly object: StoredObject
  readonly warnings: ReadonlyArray<string>
}

/** One that came from a file may lack defaults, and hold fields that nobody knows: neither is a change of whoever writes next. */
const conformed = (live: StoredObject): StoredObject =>
  pipe(
    toCandidate(live),
    E.match(
      () => live,
      ({ object }) => object,
    ),
  )

/** An object that waits for finalizers is gone with the last of them. */
const isOver = ({ metadata }: StoredObject): boolean =>
  metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0

const nextOf = (
  before: StoredObject | undefined,
  { object }: Proposal,
  { name, isNew, manager }: Intent,
): E.Either<AggregatorError, StoredObject> => {
  if (before === undefined) return createdFrom(object, manager.timeMs)
  if (!isNew) return updatedFrom(before, object, manager.subresource)
  return pipe(
    createdFrom(object, manager.timeMs),
    E.flatMap(() => E.left(alreadyExists(name, before.metadata.deletionTimestamp !== undefined))),
  )
}

/** Characters of an object as JSON: it grows by each patch. Source: the limit of etcd for a request, 1.5 MiB. */
const maxSize = 1_572_864

const tooLarge: AggregatorError = { _tag: 'BodyTooLarge', limitBytes: maxSize, option: 'size of an object' }

const decide = (live: StoredObject | undefined, intent: Intent): E.Either<AggregatorError, WriteStep> => {
  const before = live === undefined ? undefined : conformed(live)
  return pipe(
    E.Do,
    E.bind('proposal', () => intent.propose(before)),
    E.bind('next', ({ proposal }) => nextOf(before, proposal, intent)),
    E.bind('object', ({ proposal, next }) => {
      const object = proposal.isOwned === true ? next : ownUpdate(before, next, intent.manager)
      return JSON.stringify(object).length > maxSize ? E.left(tooLarge) : E.right(object)
    }),
    E.map(({ proposal, object }) => {
      const warnings = [...proposal.warnings, ...metadataWarnings(before, proposal.object.metadata)]
      if (live === undefined) return { next: object, object, warnings }
      if (isOver(object)) return { next: undefined, answer: object, object, warnings }
      return { next: isDeepStrictEqual(before, object) ? live : object, object, warnings }
    }),
  )
}

/**
 * Creates an object, or changes one: metadata's rules, validation, ownership of fields, and nothing at all when nothing changes. Fails
 * with what `propose` fails with, BadRequest, Conflict, AlreadyExists, Invalid, Forbidden, StoreFailed, Cancelled.
 */
export const write = (objects: ObjectStore, intent: Intent): Result<Written> =>
  pipe(
    swap(objects, intent, (live) => decide(live, intent)),
    TE.map(({ object, isCreated, step }) => ({
      object: object ?? step.object,
      isCreated,
      warnings: step.warnings,
    })),
  )
