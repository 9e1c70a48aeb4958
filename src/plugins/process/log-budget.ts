import type { Logger } from '../../logger.ts'
import type { Clock } from './clock.ts'

/** How many lines of one plugin are still to be logged in this second, whichever stream they come from. */
export interface LogBudget {
  /** Whether to log one more line; counts it otherwise. */
  take(): boolean
  /** The plugin is gone. */
  end(): void
}

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
    take: () => {
      cancel ??= clock.setTimeout(renew, 1000)
      if (left === 0) {
        dropped += 1
        return false
      }
      left -= 1
      return true
    },
    end: () => {
      cancel?.()
      renew()
    },
  }
}
