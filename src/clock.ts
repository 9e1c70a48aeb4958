/** Time, to be replaced in tests. */
export interface Clock {
  /** ms since the epoch. */
  readonly now: () => number
  /** Gives back what cancels it. */
  readonly setTimeout: (callback: () => void, delayMs: number) => () => void
}

// the longest delay that a timer takes; more than that fires at once
const maxDelayMs = 2 ** 31 - 1

/** Its timers keep nobody alive: what waits for one is no reason for Node to stay. */
export const systemClock: Clock = {
  now: Date.now,
  setTimeout: (callback, delayMs) => {
    const timer = setTimeout(callback, Math.min(delayMs, maxDelayMs)).unref()
    return () => {
      clearTimeout(timer)
    }
  },
}
