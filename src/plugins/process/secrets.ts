import type { PluginContext } from '../../plugin.ts'

/** What one plugin was told and nobody else may read: in its logs, its errors, its post-mortem. */
export interface Secrets {
  /** Remembers the secrets of a call's instance settings. Called for each call: one look at a WeakSet when they are known. */
  learn(context: PluginContext): void
  /** Puts `[redacted]` in the place of each secret. */
  strike(text: string): string
}
