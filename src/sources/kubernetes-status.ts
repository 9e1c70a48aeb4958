import { apiVersion, kind } from '../api/dataplane-service.ts'
import { conditionTypes, type DataPlaneServiceStatus } from '../api/object.ts'
import type { Clock } from '../clock.ts'
import { unexpected, type AggregatorError, type Result } from '../errors.ts'
import { E } from '../fp.ts'
import type { KubernetesConnection, KubernetesFailure } from '../kubernetes.ts'
import type { Logger } from '../logger.ts'
import type { KubernetesObjects, KnownStatus } from './kubernetes-objects.ts'

export interface StatusWriterOptions {
  readonly call: KubernetesConnection['call']
  /** Shape: `/apis/aggregation.grafana.app/v0alpha1/dataplaneservices`. */
  readonly path: string
  readonly objects: Pick<KubernetesObjects, 'statusOf' | 'setStatus'>
  /** Asked before each write: a process that slept for long knows of its lost turn from this alone. */
  readonly isMyTurn: () => boolean
  readonly clock: Clock
  readonly logger: Logger
}

type Change = (current: DataPlaneServiceStatus) => DataPlaneServiceStatus

export interface StatusWriter {
  /** Writes if it is this replica's turn, else keeps `change` for then. */
  readonly update: (name: string, change: Change) => Result<void>
  /** It is this replica's turn: writes all that is not as it should be. Or it is not any more: what is under way ends. */
  readonly setTurn: (isMine: boolean) => void
  /** An object came or changed: somebody else may have written over its conditions. */
  readonly seen: (name: string) => void
  readonly forget: (name: string) => void
  /** Resolves when nothing is written any more. */
  readonly close: () => Promise<void>
}

export const fieldManager = 'dataplane-aggregator'

/** Writes at a time, when there are many. */
const atOnce = 4
/** Two that write over each other do so no more often than this, ms. */
const repairMs = 30_000

/** What failed, in the words of a source. */
const toError = (failure: KubernetesFailure): AggregatorError => {
  if (failure._tag === 'Cancelled') return { _tag: 'Cancelled' }
  if (failure._tag !== 'Refused') return { _tag: 'StoreFailed', message: failure.message }
  const message = `the apiserver answered ${String(failure.code)}: ${failure.message}`
  return failure.code === 403 ? { _tag: 'Forbidden', message } : { _tag: 'StoreFailed', message }
}

/** All conditions of ours, for server-side apply takes away what it is not told again; nobody else's. */
const ownConditions = ({ conditions = [] }: DataPlaneServiceStatus) =>
  conditions.filter(({ type }) => conditionTypes.some((own) => own === type))

/**
 * Writes conditions by server-side apply, so that they conflict with nobody's. Every replica knows what it would write; the one whose
 * turn it is does. Source: metadata.uid in an apply is a precondition, 409 when the object was made anew.
 */
export const createStatusWriter = ({
  call,
  path,
  objects,
  isMyTurn,
  clock,
  logger,
}: StatusWriterOptions): StatusWriter => {
  const changes = new Map<string, Change>()
  const due = new Set<string>()
  const workers = new Set<Promise<void>>()
  const writtenMs = new Map<string, number>()
  const repairs = new Map<string, () => void>()
  /** Aborted when the turn is over. */
  let turn: AbortController | undefined
  let isClosed = false
  let isWarned = false

  const patch = async (
    name: string,
    { uid, status }: KnownStatus,
    signal: AbortSignal,
  ): Promise<E.Either<KubernetesFailure, void>> => {
    writtenMs.set(name, clock.now())
    const answer = await call({
      method: 'PATCH',
      path: `${path}/${encodeURIComponent(name)}/status`,
      query: { fieldManager, force: 'true' },
      contentType: 'application/apply-patch+yaml',
      body: {
        apiVersion,
        kind,
        metadata: { name, ...(uid === undefined ? {} : { uid }) },
        status: { conditions: ownConditions(status) },
      },
      signal,
    })()
    if (E.isRight(answer)) objects.setStatus(name, { uid, status })
    return E.isLeft(answer) ? answer : E.right(undefined)
  }

  const write = async (name: string): Promise<E.Either<AggregatorError, void>> => {
    const [known, change, signal] = [objects.statusOf(name), changes.get(name), turn?.signal]
    if (known === undefined || change === undefined || signal === undefined || !isMyTurn()) return E.right(undefined)
    const status = change(known.status)
    if (status === known.status) return E.right(undefined)
    const written = await patch(name, { uid: known.uid, status }, signal)
    if (E.isRight(written)) return written
    const { left: failure } = written
    // gone, or made anew: then it will be told of again
    const isGone = failure._tag === 'Refused' && (failure.code === 404 || failure.code === 409)
    return isGone || signal.aborted ? E.right(undefined) : E.left(toError(failure))
  }

  const work = async (): Promise<void> => {
    for (const name of due) {
      due.delete(name)
      const written = await writeSafely(name)()
      if (E.isRight(written)) continue
      if (!isWarned)
        logger.warn('conditions of objects cannot be written, they will be tried again', { name, error: written.left })
      isWarned = true
      repair(name, clock.now() + repairMs)
    }
  }
  const enqueue = (name: string): void => {
    due.add(name)
    if (workers.size >= atOnce || isClosed) return
    const worker = work().finally(() => workers.delete(worker))
    workers.add(worker)
  }

  /** Later, once. */
  const repair = (name: string, dueMs: number): void => {
    if (isClosed || repairs.has(name)) return
    const cancel = clock.setTimeout(
      () => {
        repairs.delete(name)
        enqueue(name)
      },
      Math.max(0, dueMs - clock.now()),
    )
    repairs.set(name, cancel)
  }

  const writeSafely =
    (name: string): Result<void> =>
    async () => {
      try {
        return await write(name)
      } catch (cause) {
        // a `change` of the host's own may throw
        return E.left(unexpected(cause))
      }
    }

  return {
    update: (name, change) => () => {
      changes.set(name, change)
      return writeSafely(name)()
    },
    setTurn: (isMine) => {
      turn?.abort()
      turn = isMine && !isClosed ? new AbortController() : undefined
      isWarned = false
      if (turn !== undefined) for (const name of changes.keys()) enqueue(name)
    },
    seen: (name) => {
      const [known, change] = [objects.statusOf(name), changes.get(name)]
      if (turn === undefined || known === undefined || change === undefined) return
      const wanted = E.tryCatch(() => change(known.status), E.toError)
      if (E.isRight(wanted) && wanted.right !== known.status)
        repair(name, (writtenMs.get(name) ?? -Infinity) + repairMs)
    },
    forget: (name) => {
      changes.delete(name)
      writtenMs.delete(name)
      repairs.get(name)?.()
      repairs.delete(name)
    },
    close: async () => {
      isClosed = true
      turn?.abort()
      turn = undefined
      due.clear()
      for (const cancel of repairs.values()) cancel()
      await Promise.all(workers)
    },
  }
}
