import type { PluginClient } from '../../plugin.ts'

/** How a plugin went. `stderr` is raw: strike out secrets before it is shown. */
export interface PeerExit {
  readonly code: number | null
  readonly signal: string | null
  /** The last of it, as much as was to be kept. */
  readonly stderr: string
  /** Why it could not be run at all, or was lost. */
  readonly error?: Error
}

/** Why a plugin fails its health check. `unreachable`: nobody listens where it should. `silent`: no answer in time. */
export interface PingFailure {
  readonly kind: 'unreachable' | 'silent' | 'not-serving'
  readonly message: string
}

/** A plugin that serves, wherever it runs: a process of ours, one that was there before, one behind an address. */
export interface Peer {
  readonly pid: number | undefined
  readonly client: PluginClient
  /** Resolves when nothing of it is left, however it went; its calls have ended by then. Never rejects. */
  readonly ended: Promise<PeerExit>
  /** go-plugin's own check, which says that the process serves, not that the plugin is well. Undefined: it does. */
  ping(timeoutMs: number): Promise<PingFailure | undefined>
  /** Asks it to end, and makes it. Resolves with `ended`. Whatever is not ours to end is only left. */
  stop(): Promise<void>
  /** Ends it at once; for one that does not answer. */
  kill(): void
}

/** Gives a Peer that answers. Rejects with a StartFailure when nothing of it is left, or with an Error when there was none to start. */
export type StartPeer = (
  signal: AbortSignal,
  /** To be told of each call that found nobody to answer it. */
  onSuspect: () => void,
) => Promise<Peer>

/** Why a plugin does not serve; for the log, as the message may hold paths of the host. */
export class StartFailure extends Error {
  readonly exit: PeerExit
  readonly pid: number | undefined

  constructor(exit: PeerExit, pid: number | undefined, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.exit = exit
    this.pid = pid
  }
}
