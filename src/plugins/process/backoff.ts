import type { PluginSettings } from '../options.ts'

/** Failures in a row, and what follows from their number. */
export interface Failures {
  /** One more: how long to wait before the next start, and whether it is one too many. */
  add(): { readonly delayMs: number; readonly isLoop: boolean }
  reset(): void
}

const jitter = 0.2
// 2 ** 30 s is above every maxMs, and the power stays finite
const maxExponent = 30

/** Doubles the delay at each failure; `random`, in [0, 1), takes a part of it away, so that plugins do not start in step. */
export const createFailures = (
  { backoff, crashLoopAfter }: Pick<PluginSettings, 'backoff' | 'crashLoopAfter'>,
  random: () => number,
): Failures => {
  let count = 0
  return {
    add: () => {
      const exponential = backoff.initialMs * 2 ** Math.min(count, maxExponent)
      count += 1
      const delayMs = Math.round(Math.min(exponential, backoff.maxMs) * (1 - jitter * random()))
      return { delayMs, isLoop: count >= crashLoopAfter }
    },
    reset: () => {
      count = 0
    },
  }
}
