import type { AggregatorError, Result } from './errors.ts'
import type { E } from './fp.ts'
import type { InstalledPlugin, PluginContext } from './plugin.ts'

/** Which RunStream it is: readers with the same of all of these share one. */
export interface StreamSubject {
  readonly namespace: string
  readonly plugin: InstalledPlugin
  /** `undefined` for apps. */
  readonly uid: string | undefined
  readonly path: string
  /** JSON given by the reader; may be empty. */
  readonly data: Uint8Array
  /** Set when each user has a stream of his own: his name. */
  readonly user: string | undefined
}

/** One message of a plugin, for many readers: each spelling of it is made once, when first asked for. */
export interface SharedPacket {
  /** JSON, as the plugin sent it. */
  readonly data: Uint8Array
  /** `data: {…}`, and an empty line. */
  readonly event: () => Uint8Array
  /** On one line, with a line feed. */
  readonly line: () => Uint8Array
}

/** RunStream calls that outlive their readers' requests: one for all readers of a subject. */
export interface SharedStreams {
  /**
   * Reads along from now on. `context` is asked for anew whenever the call is made again. A Left is the last item and says why
   * there is no more: the plugin is gone, the reader was too slow, this server shuts down; without one, the plugin ended the stream.
   * Nothing is held for a reader that never asks.
   */
  readonly join: (
    subject: StreamSubject,
    context: (signal: AbortSignal) => Result<PluginContext>,
  ) => AsyncIterable<E.Either<AggregatorError, SharedPacket>>
  /** Tells all readers, ends all calls; resolves when none is left. */
  readonly close: () => Promise<void>
}
