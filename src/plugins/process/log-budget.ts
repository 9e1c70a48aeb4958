import type { Logger } from '../../logger.ts'
import type { Clock } from '../../clock.ts'

/** How many lines of one plugin are still to be logged in this second, whichever stream they come from. */
export interface LogBudget {
  /** Whether to log one more line; counts it otherwise. A long one takes the place of several. */
  take(line: string): boolean
  /** The plugin is gone. */
  end(): void
}

/** A line of 64 KiB costs as much time, to strike and to parse, as dozens of this length. */
const usualLength = 1024

/** More than `linesPerSecond` nobody reads: the logger is told once a second how many lines were dropped, if any were. */
export const createLogBudget = (logger: Logger, pluginId: string, linesPerSecond: number, clock: Clock): LogBudget => {
  let left = linesPerSecond
  let dropped = 0
  let cancel: (() => void) | undefined

  const renew = (): void => {
    cancel = undefined
    left = linesPerSecond
    if (dropped > 0) logger.warn('plugin logs too much, lines were dropped', { plugin: pluginId, dropped })
    dropped = 0
  }
  return {
    take: ({ length }) => {
      cancel ??= clock.setTimeout(renew, 1000)
      if (left <= 0) {
        dropped += 1
        return false
      }
      left -= Math.ceil(length / usualLength)
      return true
    },
    end: () => {
      cancel?.()
      renew()
    },
  }
}
