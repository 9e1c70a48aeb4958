import type { AvailableReason, Finding } from './finding.ts'
import type { Look } from './availability.ts'

/** What is shown of a plugin, and since when it is otherwise. */
export interface View {
  /** Left out until there is something to show. */
  readonly shown?: Finding<AvailableReason>
  /** Since when it has not been well, ms since the epoch; left out while it is. */
  readonly badSinceMs?: number
  /** Since when it has been shown as well, ms since the epoch; the last time it was. */
  readonly upSinceMs?: number
  /** When what is seen now will be shown, ms since the epoch; left out when it is. */
  readonly dueMs?: number
}

/**
 * What to show after a look. What is good is shown at once, what is bad when it has lasted `settleMs`, or at once when it is
 * certain; and what was just shown as good is shown so for `settleMs` at least. So a plugin that comes and goes flips no more
 * often than that, and one that starts in time never does. Pure.
 */
export const settle = (last: View, { finding, isCertain }: Look, nowMs: number, settleMs: number): View => {
  // a clock that is set back is no reason to wait for longer
  const since = (ms: number | undefined, otherwise: number): number => Math.min(ms ?? otherwise, nowMs)
  if (finding.status === 'True') {
    const isUp = last.shown?.status === 'True'
    return { shown: finding, upSinceMs: isUp ? since(last.upSinceMs, nowMs) : nowMs }
  }
  const badSinceMs = since(last.badSinceMs, nowMs)
  const upSinceMs = since(last.upSinceMs, -Infinity)
  const dueMs = Math.max(isCertain ? nowMs : badSinceMs + settleMs, upSinceMs + settleMs)
  if (dueMs <= nowMs) return { shown: finding, badSinceMs, upSinceMs }
  return { ...(last.shown === undefined ? {} : { shown: last.shown }), badSinceMs, upSinceMs, dueMs }
}
