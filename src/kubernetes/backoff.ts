import type { Clock } from '../clock.ts'

const initialMs = 800
const maxMs = 30_000

/** So long without a failure counts as health. */
const healthyMs = 120_000

/** However long an apiserver asks for: one that says an hour by mistake must not be left alone for it. */
const maxAskedMs = 120_000

export interface Backoff {
  /** How long to wait now, ms; `atLeastMs` is what the apiserver asked for. */
  readonly next: (atLeastMs?: number) => number
}

/**
 * 800 ms, doubled for each further failure, 30 s at most, each time between one and two of these, so that replicas do not come back in
 * step; from the start again after two minutes without a failure. Source: reflector.go of client-go.
 */
export const createBackoff = (clock: Clock, random: () => number): Backoff => {
  let baseMs = initialMs
  let endsAtMs = 0
  return {
    next: (atLeastMs = 0) => {
      if (clock.now() - endsAtMs > healthyMs) baseMs = initialMs
      const delayMs = Math.max(Math.round(baseMs * (1 + random())), Math.min(atLeastMs, maxAskedMs))
      baseMs = Math.min(baseMs * 2, maxMs)
      endsAtMs = clock.now() + delayMs
      return delayMs
    },
  }
}

/** Resolves after a time, or at once when the signal is aborted; never rejects, leaves neither timer nor listener. */
export const sleep = (clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const wake = (): void => {
      cancel()
      signal.removeEventListener('abort', wake)
      resolve()
    }
    const cancel = clock.setTimeout(wake, delayMs)
    signal.addEventListener('abort', wake)
  })
