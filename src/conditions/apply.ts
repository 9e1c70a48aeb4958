import type { Condition, conditionTypes, DataPlaneServiceStatus } from '../api/object.ts'
import type { Finding } from './finding.ts'

/** A condition as it should be, but for the time of its last flip. */
export interface WantedCondition extends Finding {
  readonly type: (typeof conditionTypes)[number]
  readonly observedGeneration?: number | undefined
}

/** RFC 3339 in whole seconds. Source: metav1.Time. */
const formatTime = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')

const isSame = (a: Condition, b: WantedCondition): boolean =>
  a.status === b.status &&
  a.reason === b.reason &&
  a.message === b.message &&
  a.observedGeneration === b.observedGeneration

const put = (
  conditions: ReadonlyArray<Condition>,
  wanted: WantedCondition,
  nowMs: number,
): ReadonlyArray<Condition> => {
  const { type, status, reason, message, observedGeneration } = wanted
  const index = conditions.findIndex((condition) => condition.type === type)
  const old = conditions[index]
  if (old !== undefined && isSame(old, wanted)) return conditions
  const next: Condition = {
    type,
    status,
    ...(observedGeneration === undefined ? {} : { observedGeneration }),
    lastTransitionTime: old?.status === status ? old.lastTransitionTime : formatTime(nowMs),
    reason,
    message,
  }
  return old === undefined ? [...conditions, next] : conditions.with(index, next)
}

/**
 * A status that holds these conditions; the same (`===`) if it does so already. `lastTransitionTime` moves with `status` only, each
 * condition keeps its place, and those of other writers stay as they are. Pure.
 */
export const withConditions = (
  current: DataPlaneServiceStatus,
  wanted: ReadonlyArray<WantedCondition>,
  nowMs: number,
): DataPlaneServiceStatus => {
  const before = current.conditions ?? []
  const conditions = wanted.reduce((all, one) => put(all, one, nowMs), before)
  return conditions === before ? current : { ...current, conditions }
}
