import type { Clock } from '../clock.ts'
import type { AggregatorError, Result } from '../errors.ts'
import { E } from '../fp.ts'
import type { Logger } from '../logger.ts'

export interface WritesOptions {
  /** Writes what is true of an object by then. Never rejects. */
  readonly write: (name: string) => Result<void>
  readonly logger: Logger
  readonly clock: Clock
}

export interface Writes {
  /** An object of this name is to be written: once, however often it is said before its turn comes. */
  readonly add: (name: string) => void
  /** Resolves when the writes under way are over; none begins any more. */
  readonly close: () => Promise<void>
}

/** Writes at a time. */
const atOnce = 4
const firstRetryMs = 1000
const lastRetryMs = 300_000
/** A store that takes none of so many takes none of ten thousands either: those are tried again when one of these is taken. */
const triedAgain = 50
/** A store that takes nothing fails for each object alike: more lines than this tell nothing new. */
const maxLines = 10

/** Others have a turn: a store in memory never waits by itself, and ten thousand writes take a while. */
const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

/**
 * Writes objects, a few at a time and each one by one. What fails is logged once per object and kind of failure, and tried again:
 * with the next change of the object, or after a while that doubles, first a few of all.
 */
export const createWrites = ({ write, logger, clock }: WritesOptions): Writes => {
  /** Of those in it, none is being written. */
  const queue = new Set<string>()
  /** One for all times: another would have to pass over all that was taken. */
  const names = queue.values()
  /** What is being written, and whether once more after that. */
  const busy = new Map<string, boolean>()
  const failed = new Map<string, AggregatorError['_tag']>()
  const workers = new Set<Promise<void>>()
  let lineCount = 0
  let retryMs = firstRetryMs
  let cancelRetry: (() => void) | undefined
  /** All others that have failed wait for one that is taken. */
  let isProbing = false
  let isClosed = false

  const add = (name: string): void => {
    if (isClosed) return
    if (busy.has(name)) {
      busy.set(name, true)
      return
    }
    queue.add(name)
    if (workers.size >= atOnce) return
    const worker = work().finally(() => workers.delete(worker))
    workers.add(worker)
  }

  /** The oldest. */
  const take = (): string | undefined => {
    // an iterator that is asked in vain is over for good
    if (isClosed || queue.size === 0) return undefined
    const { value } = names.next()
    if (value !== undefined) queue.delete(value)
    return value
  }

  const retry = (): void => {
    cancelRetry = undefined
    retryMs = Math.min(retryMs * 2, lastRetryMs)
    isProbing = true
    for (const name of [...failed.keys()].slice(0, triedAgain)) add(name)
  }

  const fail = (name: string, error: AggregatorError): void => {
    if (failed.get(name) !== error._tag && ++lineCount <= maxLines) {
      logger.warn('conditions of an object cannot be written', { name, error })
    }
    // behind those that wait for longer
    failed.delete(name)
    failed.set(name, error._tag)
    if (!isClosed) cancelRetry ??= clock.setTimeout(retry, retryMs)
  }

  const succeed = (name: string): void => {
    if (!failed.delete(name)) return
    if (isProbing) for (const other of failed.keys()) add(other)
    isProbing = false
    if (failed.size > 0) return
    logger.info('conditions are written again')
    cancelRetry?.()
    cancelRetry = undefined
    retryMs = firstRetryMs
    lineCount = 0
  }

  const work = async (): Promise<void> => {
    // whoever adds is not done with what is to be written
    await nextTurn()
    for (let name = take(); name !== undefined; name = take()) {
      busy.set(name, false)
      const result = await write(name)()
      const isDueAgain = busy.get(name)
      busy.delete(name)
      if (E.isLeft(result)) fail(name, result.left)
      else succeed(name)
      if (isDueAgain === true) add(name)
      await nextTurn()
    }
  }

  const close = async (): Promise<void> => {
    isClosed = true
    cancelRetry?.()
    await Promise.all(workers)
  }
  return { add, close }
}
