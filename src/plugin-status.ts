/**
 * What a plugin's process is doing. `idle`: not asked for yet. `unhealthy`: it runs but does not answer. `crashed`: it is gone, and
 * will be started again. `crash-looping`: the same, several times in a row. Source: the words of Kubernetes' container states.
 */
export type PluginState =
  'idle' | 'starting' | 'ready' | 'unhealthy' | 'crashed' | 'crash-looping' | 'stopping' | 'stopped'

/** How the last process of a plugin went. */
export interface PluginExit {
  readonly pid?: number
  readonly code: number | null
  readonly signal: string | null
  /** The last 64 KiB that it wrote there; secrets that it was given are struck out. */
  readonly stderr: string
  /** ms since the epoch. */
  readonly atMs: number
}

/** A plugin's life as its operator reads it, not its clients: `lastError` and `lastExit` may hold paths of the host. */
export interface PluginStatus {
  readonly id: string
  readonly version: string
  readonly state: PluginState
  /** When it entered that state, ms since the epoch. */
  readonly sinceMs: number
  readonly pid?: number
  /** How often a start was tried. */
  readonly startCount: number
  /** Why the last start, or the last process, failed; secrets are struck out. */
  readonly lastError?: string
  /** Of the last process that ended, whether or not it was told to. */
  readonly lastExit?: PluginExit
  /** When it will be started again, ms since the epoch. */
  readonly retryAtMs?: number
  readonly inFlight: number
  readonly queued: number
}

/** A plugin went from one state to another; or from `ready` to `ready`, when another process took its place. */
export interface PluginChange {
  readonly from: PluginState
  readonly to: PluginStatus
}

/** Should not throw; what it throws is logged. */
export type PluginWatcher = (change: PluginChange) => void
