/** Time, to be replaced in tests. */
export interface Clock {
  /** ms since the epoch. */
  readonly now: () => number
  /** Gives back what cancels it. */
  readonly setTimeout: (callback: () => void, delayMs: number) => () => void
}

// the longest delay that a timer takes; more than that fires at once
const maxDelayMs = 2 ** 31 - 1

/** Keeps Node running until what it gives back is called: who awaits something that only such timers bring would end with code 13. */
export const stayAlive = (): (() => void) => {
  const timer = setInterval(() => undefined, maxDelayMs)
  return () => {
    clearInterval(timer)
  }
}

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
