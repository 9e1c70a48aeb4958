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
/**
 * Time between two rounds, which doubles up to the longest while there is something to do each time: whoever else writes the same
 * conditions is not to be fought at full speed, and who refuses them not to be asked for ever, ms.
 */
const roundMs = 30_000
const longestRoundMs = 300_000
/** After so many failures in a row a round is over: what refuses one object may refuse ten thousands. */
const maxFailures = 20
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
  let endedMs = -Infinity
  /** After the round that has ended then. */
  let pauseMs = 0
  let failures = 0
  let round: Promise<void> | undefined
  let cancelTimer: (() => void) | undefined
  let isWarned = false
  let hasFailed = false
  let isClosed = false

  const isLeader = (): boolean => leading !== undefined && election?.isLeader() === true

  const writeOne = async (name: string, { signal }: AbortController): Promise<void> => {
    due.delete(name)
    const change = kept.get(name)
    if (change === undefined) return
    const written = await write(name, change, { signal, isMine: isLeader })()
    if (E.isRight(written) && isLeader()) {
      failures = 0
      return
    }
    // behind those that nobody has tried
    due.add(name)
    failures += 1
    if (E.isRight(written)) return
    const error = written.left
    const why = 'message' in error ? error.message : error._tag
    if (!hasFailed) logger.warn(`an object keeps its old status: ${why}`, { name, error })
    hasFailed = true
  }

  const work = async (names: Iterator<string>, mine: AbortController): Promise<void> => {
    for (let count = 1; !mine.signal.aborted && failures < maxFailures; count++) {
      const next = names.next()
      if (next.done === true) return
      await writeOne(next.value, mine)
      if (count % namesPerTurn === 0) await nextTurn()
    }
  }

  const runRound = async (mine: AbortController): Promise<void> => {
    failures = 0
    hasFailed = false
    const names = [...due].values()
    await Promise.all(Array.from({ length: atOnce }, () => work(names, mine)))
    round = undefined
    if (!mine.signal.aborted) {
      endedMs = clock.now()
      pauseMs = Math.min(Math.max(2 * pauseMs, roundMs), longestRoundMs)
    }
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
    const passedMs = clock.now() - endedMs
    // calm for long enough; also when the clock was set back
    if (passedMs >= 2 * pauseMs || passedMs < 0) pauseMs = 0
    if (passedMs >= pauseMs || passedMs < 0) startRound()
    else cancelTimer = clock.setTimeout(startRound, pauseMs - passedMs)
  }

  const onChange = (isNow: boolean): void => {
    leading?.abort()
    leading = undefined
    due.clear()
    cancelTimer?.()
    cancelTimer = undefined
    if (!isNow || isClosed) return
    leading = new AbortController()
    endedMs = -Infinity
    for (const name of kept.keys()) due.add(name)
    schedule()
  }

  const update = (name: string, change: StatusChange): Result<void> => {
    if (isClosed || objects.get(name) === undefined) return TE.right(undefined)
    kept.set(name, change)
    standing ??= before
      .then(() => {
        if (!isClosed) election = elect(onChange)
      })
      .catch((cause: unknown) => {
        logger.error('expected to stand for election, got an error: nobody writes status here', { cause })
      })
    if (leading === undefined) return TE.right(undefined)
    if (!isLeader()) {
      // by the clock alone, which may have been set: if its turn goes on, nobody is told
      due.add(name)
      schedule()
      return TE.right(undefined)
    }
    return write(name, change, { signal: leading.signal, isMine: isLeader })
  }

  const seen: StatusListener = (name, was, is) => {
    if (is === undefined) {
      kept.delete(name)
      due.delete(name)
      return
    }
    const change = kept.get(name)
    if (change === undefined || was === undefined || was.status === is.status || leading === undefined) return
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
