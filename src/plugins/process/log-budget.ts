import type { Logger } from '../../logger.ts'
import type { Clock } from './clock.ts'

/** What one plugin may have logged: more than that nobody reads, and writing it would slow everybody. */
const maxLinesPerSecond = 1000

/** How many lines of one plugin are still to be logged in this second, whichever stream they come from. */
export interface LogBudget {
  /** Whether to log one more line; counts it otherwise. */
  take(): boolean
  /** The plugin is gone. */
  end(): void
}

/** Tells the logger once a second how many lines were dropped, if any were. */
export const createLogBudget = (logger: Logger, pluginId: string, clock: Clock): LogBudget => {
  let left = maxLinesPerSecond
  let dropped = 0
  let cancel: (() => void) | undefined

  const renew = (): void => {
    cancel = undefined
    left = maxLinesPerSecond
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
