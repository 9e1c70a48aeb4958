import type { Clock } from '../clock.ts'
import { toStatus, unexpected, type AggregatorError } from '../errors.ts'
import { O } from '../fp.ts'
import type { Logger } from '../logger.ts'
import type { StreamPacket } from '../plugin.ts'
import { toPacket, type SharedPacket } from '../shared-streams.ts'
import { createBackoff } from './backoff.ts'
import type { Reader } from './reader.ts'
import { isFinal, runOnce, type RunOptions } from './run.ts'

export interface SharedStreamOptions extends Pick<RunOptions, 'path' | 'data' | 'user' | 'find'> {
  readonly pluginId: string
  readonly logger: Logger
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** Nobody can join it any more. */
  readonly onEnd: () => void
}

/** One subject with its readers. It begins at once, and ends by itself when nobody reads it for a while. */
export interface SharedStream {
  /** Nobody reads it. */
  readonly isIdle: () => boolean
  /** Gives back what leaves again. */
  readonly add: (reader: Reader) => () => void
  /** Says whether some reader lags behind. */
  readonly tell: (packet: SharedPacket) => boolean
  readonly end: (error?: AggregatorError) => void
  /** Resolves when no call and no timer of it is left. */
  readonly ended: Promise<void>
}

/** How long a stream goes on without readers: one who reloads a page finds it running. Source: runstream/manager.go of Grafana. */
const lingerMs = 12_000

const isPowerOfTwo = (count: number): boolean => (count & (count - 1)) === 0

/** Resolves when the time is over, or the signal is aborted. */
const wait = (clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = clock.setTimeout(end, delayMs)
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })

export const createSharedStream = (options: SharedStreamOptions): SharedStream => {
  const { pluginId, path, logger, clock, random, onEnd } = options
  const readers = new Set<Reader>()
  const life = new AbortController()
  const { signal } = life
  const backoff = createBackoff(random)
  let cancelLinger = (): void => undefined
  let dropped = 0

  const end = (error?: AggregatorError): void => {
    if (signal.aborted) return
    life.abort()
    cancelLinger()
    onEnd()
    for (const reader of [...readers]) reader.end(error)
    readers.clear()
  }
  const tell = (packet: SharedPacket): boolean => {
    let isAnyBehind = false
    for (const reader of readers) {
      reader.offer(packet)
      if (reader.isBehind()) isAnyBehind = true
    }
    return isAnyBehind
  }
  const onPacket = ({ data }: StreamPacket): boolean => {
    if (readers.size === 0) return false
    const packet = toPacket(data)
    if (O.isSome(packet)) return tell(packet.value)
    dropped += 1
    // a flood of them must not become a flood of lines
    if (isPowerOfTwo(dropped))
      logger.warn('a plugin sent what is no JSON, it is dropped', { plugin: pluginId, path, dropped })
    return false
  }
  const onFailure = async (error: AggregatorError, livedMs: number): Promise<void> => {
    if (isFinal(error) || readers.size === 0) {
      end(error)
      return
    }
    const { delayMs, isFirst } = backoff(livedMs)
    const cause = 'cause' in error ? { cause: error.cause } : {}
    const fields = { plugin: pluginId, path, delayMs, error: toStatus(error).message, ...cause }
    logger[isFirst ? 'warn' : 'debug']('a stream failed and is begun again', fields)
    await wait(clock, delayMs, signal)
  }
  const live = async (): Promise<void> => {
    while (!signal.aborted) {
      const outcome = await runOnce({ ...options, onPacket }, signal)
      if (signal.aborted) return
      if (outcome._tag === 'Ended') end()
      else if (outcome._tag === 'Failed') await onFailure(outcome.error, outcome.livedMs)
      else logger.debug('a stream is begun again, since its settings changed', { plugin: pluginId, path })
    }
  }

  return {
    isIdle: () => readers.size === 0,
    add: (reader) => {
      cancelLinger()
      readers.add(reader)
      return () => {
        readers.delete(reader)
        if (readers.size > 0 || signal.aborted) return
        cancelLinger = clock.setTimeout(end, lingerMs)
      }
    },
    tell,
    end,
    ended: live().catch((cause: unknown) => {
      end(unexpected(cause))
    }),
  }
}
