/** Time, to be replaced in tests. */
export interface Clock {
  /** ms since the epoch. */
  readonly now: () => number
  /** Gives back what cancels it. */
  readonly setTimeout: (callback: () => void, delayMs: number) => () => void
}

/** Its timers keep nobody alive: a plugin that waits for its restart is no reason for Node to stay. */
export const systemClock: Clock = {
  now: Date.now,
  setTimeout: (callback, delayMs) => {
    const timer = setTimeout(callback, delayMs).unref()
    return () => {
      clearTimeout(timer)
    }
  },
}
