import type { Clock } from '../clock.ts'
import type { Result } from '../errors.ts'
import { E, TE } from '../fp.ts'
import type { Election } from '../kubernetes.ts'
import type { Logger } from '../logger.ts'
import type { KubernetesObjects, StatusListener } from './kubernetes-objects.ts'
import type { StatusChange, Turn } from './kubernetes-status.ts'

export interface TurnsOptions {
  readonly write: (name: string, change: StatusChange, turn: Turn) => Result<void>
  readonly objects: Pick<KubernetesObjects, 'get'>
  readonly elect: (onChange: (isLeader: boolean) => void) => Election
  /** Resolves when one of the same name has left the last election. */
  readonly before: Promise<unknown>
  readonly clock: Clock
  readonly logger: Logger
}

/** One of several replicas writes. */
export interface Turns {
  readonly update: (name: string, change: StatusChange) => Result<void>
  /** What the watch tells of an object. */
  readonly seen: StatusListener
  readonly close: () => Promise<void>
}

/** Writes at a time. */
const atOnce = 4
/** Time between two rounds: whoever else writes the same conditions is not to be fought at full speed, ms. */
const roundMs = 30_000
/** What needs no request is done at once, and there may be ten thousands of it. */
const namesPerTurn = 200

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

/**
 * Keeps the last change of each object. The leader makes it at once; a new leader makes all that are kept, in one round. What
 * somebody else has overwritten, and what failed in a round, comes in a next one. Nobody stands for election before there is
 * something to write.
 */
export const createTurns = ({ write, objects, elect, before, clock, logger }: TurnsOptions): Turns => {
  const kept = new Map<string, StatusChange>()
  const due = new Set<string>()
  let election: Election | undefined
  let standing: Promise<void> | undefined
  let leading: AbortController | undefined
  let lastRoundMs = -Infinity
  let round: Promise<void> | undefined
  let cancelTimer: (() => void) | undefined
  let isWarned = false
  let hasFailed = false
  let isClosed = false

  const isLeader = (): boolean => leading !== undefined && election?.isLeader() === true

  const writeOne = async (name: string, { signal }: AbortController): Promise<void> => {
    const change = kept.get(name)
    if (change === undefined || signal.aborted) return
    const written = await write(name, change, { signal, isMine: isLeader })()
    if (E.isRight(written)) return
    due.add(name)
    const error = written.left
    const why = 'message' in error ? error.message : error._tag
    if (!hasFailed) logger.warn(`an object keeps its old status: ${why}`, { name, error })
    hasFailed = true
  }

  const work = async (names: Iterator<string>, mine: AbortController): Promise<void> => {
    for (let count = 1; !mine.signal.aborted; count++) {
      const next = names.next()
      if (next.done === true) return
      await writeOne(next.value, mine)
      if (count % namesPerTurn === 0) await nextTurn()
    }
  }

  const runRound = async (mine: AbortController): Promise<void> => {
    lastRoundMs = clock.now()
    hasFailed = false
    const names = [...due].values()
    due.clear()
    await Promise.all(Array.from({ length: atOnce }, () => work(names, mine)))
    round = undefined
    schedule()
  }

  const startRound = (): void => {
    cancelTimer?.()
    cancelTimer = undefined
    if (leading === undefined || round !== undefined) return
    round = runRound(leading)
  }

  const schedule = (): void => {
    if (leading === undefined || due.size === 0 || round !== undefined || cancelTimer !== undefined) return
    const passedMs = clock.now() - lastRoundMs
    // also when the clock was set back
    if (passedMs >= roundMs || passedMs < 0) startRound()
    else cancelTimer = clock.setTimeout(startRound, roundMs - passedMs)
  }

  const onChange = (isNow: boolean): void => {
    leading?.abort()
    leading = undefined
    due.clear()
    cancelTimer?.()
    cancelTimer = undefined
    if (!isNow || isClosed) return
    leading = new AbortController()
    lastRoundMs = -Infinity
    for (const name of kept.keys()) due.add(name)
    schedule()
  }

  const update = (name: string, change: StatusChange): Result<void> => {
    if (isClosed || objects.get(name) === undefined) return TE.right(undefined)
    kept.set(name, change)
    standing ??= before.then(() => {
      if (!isClosed) election = elect(onChange)
    })
    if (leading === undefined || !isLeader()) return TE.right(undefined)
    return write(name, change, { signal: leading.signal, isMine: isLeader })
  }

  const seen: StatusListener = (name, was, is) => {
    if (is === undefined) {
      kept.delete(name)
      due.delete(name)
      return
    }
    const change = kept.get(name)
    if (change === undefined || was === undefined || was.status === is.status || !isLeader()) return
    const isOverwritten = E.tryCatch(
      () => change(was.status) === was.status && change(is.status) !== is.status,
      E.toError,
    )
    if (E.isLeft(isOverwritten) || !isOverwritten.right) return
    if (!isWarned) logger.warn('somebody else writes our conditions of objects, too: they are written again', { name })
    isWarned = true
    due.add(name)
    schedule()
  }

  return {
    update: (name, change) => () => update(name, change)(),
    seen,
    close: async () => {
      isClosed = true
      onChange(false)
      await round
      await standing
      await election?.close()
    },
  }
}
