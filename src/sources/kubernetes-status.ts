import { isDeepStrictEqual } from 'node:util'

import { apiVersion, kind } from '../api/dataplane-service.ts'
import { conditionTypes, type Condition, type DataPlaneServiceStatus } from '../api/object.ts'
import { unexpected, type AggregatorError, type Result } from '../errors.ts'
import { E } from '../fp.ts'
import type { KubernetesConnection, KubernetesFailure } from '../kubernetes.ts'
import type { KnownObject, KubernetesObjects } from './kubernetes-objects.ts'

export type StatusChange = (current: DataPlaneServiceStatus) => DataPlaneServiceStatus

/** Whose turn it is to write, which may end while something is being written. */
export interface Turn {
  readonly signal: AbortSignal
  /** Looks at the clock, where it depends on it. */
  readonly isMine: () => boolean
}

export interface StatusWriterOptions {
  readonly call: KubernetesConnection['call']
  /** Of the collection. */
  readonly path: string
  readonly objects: Pick<KubernetesObjects, 'get' | 'learn'>
}

type Outcome = E.Either<AggregatorError, void>

/** Who owns what we write. Source: the field manager of server-side apply. */
const fieldManager = 'dataplane-aggregator'
const timeoutMs = 15_000
/** So often somebody may be faster. */
const maxTries = 4

const isRefused = (failure: KubernetesFailure, code: number): boolean =>
  failure._tag === 'Refused' && failure.code === code

const toError = (failure: KubernetesFailure): AggregatorError => {
  const why = failure._tag === 'Cancelled' ? 'cancelled' : failure.message
  const message = `status cannot be written: ${why}`
  return isRefused(failure, 403) ? { _tag: 'Forbidden', message } : { _tag: 'StoreFailed', message, cause: failure }
}

const tooBusy: AggregatorError = {
  _tag: 'StoreFailed',
  message: `status cannot be written: expected nobody to be faster for ${String(maxTries)} times`,
}

const noStatus: AggregatorError = {
  _tag: 'StoreFailed',
  message: 'status cannot be written: the apiserver has the object, and no status of it (is the subresource declared?)',
}

/**
 * Writes status by server-side apply: our own conditions alone, so that those of others stay, and no write of theirs is in the way. An
 * apiserver that knows none, or not how to merge them, gets a merge patch of all conditions, for the resourceVersion that they were read at. One object is
 * written by one at a time; what the answer says is known before the watch tells it.
 */
export const createStatusWriter = ({ call, path, objects }: StatusWriterOptions) => {
  /** What is ours and not sent is taken away: all types that we write, and whatever else was written here. */
  const owned = new Set<string>(conditionTypes)
  const busy = new Map<string, Promise<unknown>>()
  let isApplied = true

  const pathOf = (name: string): string => `${path}/${encodeURIComponent(name)}`

  const ownOf = (
    before: DataPlaneServiceStatus,
    { conditions = [] }: DataPlaneServiceStatus,
  ): ReadonlyArray<Condition> => {
    const isNew = (condition: Condition): boolean =>
      before.conditions?.some((one) => isDeepStrictEqual(one, condition)) !== true
    for (const { type } of conditions.filter(isNew)) owned.add(type)
    return conditions.filter(({ type }) => owned.has(type))
  }

  /** Others' conditions went with our write: the list is atomic, as that of a CustomResourceDefinition is which says nothing else. */
  const isRobbed = (before: DataPlaneServiceStatus, after: KnownObject | undefined): boolean => {
    if (after?.isAhead !== true) return false
    const types = new Set(after.status.conditions?.map(({ type }) => type))
    return before.conditions?.some(({ type }) => !owned.has(type) && !types.has(type)) === true
  }

  const patch = (name: string, { uid, resourceVersion, status }: KnownObject, next: DataPlaneServiceStatus) => {
    const metadata = { name, ...(uid === undefined ? {} : { uid }) }
    return isApplied
      ? {
          body: { apiVersion, kind, metadata, status: { conditions: ownOf(status, next) } },
          contentType: 'application/apply-patch+yaml',
          query: { fieldManager, force: 'true' },
        }
      : {
          body: { metadata: { ...metadata, resourceVersion }, status: { conditions: next.conditions ?? [] } },
          contentType: 'application/merge-patch+json',
          query: { fieldManager },
        }
  }

  /** `undefined`: once more. */
  const mend = async (name: string, failure: KubernetesFailure, signal: AbortSignal): Promise<Outcome | undefined> => {
    // another's turn: he has the same to write
    if (failure._tag === 'Cancelled') return E.right(undefined)
    if (isApplied && isRefused(failure, 415)) {
      isApplied = false
      return undefined
    }
    const isMissing = isRefused(failure, 404)
    if (!isMissing && !isRefused(failure, 409)) return E.left(toError(failure))
    const present = await call({ method: 'GET', path: pathOf(name), timeoutMs, signal })()
    // that it is gone, or another object, the watch is going to tell
    const isOther = E.isRight(present) ? !objects.learn(name, present.right) : isRefused(present.left, 404)
    if (isOther) return E.right(undefined)
    return isMissing ? E.left(E.isRight(present) ? noStatus : toError(present.left)) : undefined
  }

  const attempt = async (name: string, change: StatusChange, turn: Turn): Promise<Outcome | undefined> => {
    const { signal, isMine } = turn
    const known = objects.get(name)
    if (known === undefined || signal.aborted || !isMine()) return E.right(undefined)
    const next = change(known.status)
    if (next === known.status) return E.right(undefined)
    const asked = patch(name, known, next)
    const answer = await call({ method: 'PATCH', path: `${pathOf(name)}/status`, timeoutMs, signal, ...asked })()
    if (E.isLeft(answer)) return mend(name, answer.left, signal)
    objects.learn(name, answer.right)
    isApplied &&= !isRobbed(known.status, objects.get(name))
    return E.right(undefined)
  }

  const write = async (name: string, change: StatusChange, turn: Turn): Promise<Outcome> => {
    try {
      for (let tries = 0; tries < maxTries; tries++) {
        const done = await attempt(name, change, turn)
        if (done !== undefined) return done
      }
      return E.left(tooBusy)
    } catch (cause) {
      // of `change`
      return E.left(unexpected(cause))
    }
  }

  /** Writes what `change` makes of the present status, while it is our turn. Fails with Forbidden, StoreFailed. */
  return (name: string, change: StatusChange, turn: Turn): Result<void> =>
    async () => {
      for (let before = busy.get(name); before !== undefined; before = busy.get(name)) await before
      const mine = write(name, change, turn).finally(() => busy.delete(name))
      busy.set(name, mine)
      return mine
    }
}
