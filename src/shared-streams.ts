import { isUtf8 } from 'node:buffer'

import { isJsonText, onOneLine } from './api/json-scan.ts'
import type { AggregatorError, Result } from './errors.ts'
import { O, type E } from './fp.ts'
import type { PluginClient, PluginContext, PluginUser } from './plugin.ts'

/** Where readers read and publishers publish. Source: `ds/{uid}/{path}` and `plugin/{id}/{path}` of Grafana Live, within a namespace. */
export interface StreamChannel {
  readonly namespace: string
  readonly pluginId: string
  /** `undefined` for apps. */
  readonly uid: string | undefined
  readonly path: string
}

/** Which RunStream it is: readers with the same of all of these share one. */
export interface StreamSubject extends StreamChannel {
  /** Of the plugin context. */
  readonly apiVersion: string
  /** JSON given by the reader; may be empty. */
  readonly data: Uint8Array
  /** Who reads; counts only where each user has a stream of his own. */
  readonly user: PluginUser | undefined
}

/** Whom to call for a stream, and what to tell him. */
export interface StreamSource {
  readonly client: Pick<PluginClient, 'runStream'>
  /** Whatever user it names is left out: a call for many tells of none. */
  readonly context: PluginContext
}

/** One message of a plugin, for many readers: each spelling of it is made once, when first asked for. */
export interface SharedPacket {
  /** JSON on one line, as the plugin sent it. */
  readonly data: Uint8Array
  /** `data: {…}`, and an empty line. */
  readonly event: () => Uint8Array
  /** On one line, with a line feed. */
  readonly line: () => Uint8Array
}

/** RunStream calls that outlive their readers' requests: one for all readers of a subject. */
export interface SharedStreams {
  /**
   * Reads along from the first `next` on; nothing is held for a reader that never asks. `find` is asked before each call of RunStream, and
   * every minute during one. It stays for as long as the stream, so let it hold nothing of its reader. A plugin that fails is called again,
   * and readers are not told; what it sends that is no JSON is dropped, with a line in the log. A Left is the last item and says why there is no
   * more: calling again would change nothing (NotFound, NotImplemented, Forbidden), the reader was too slow or there are too many streams
   * (TooManyRequests), this server shuts down (PluginUnavailable). Without one, the plugin ended the stream.
   */
  readonly join: (
    subject: StreamSubject,
    find: (signal: AbortSignal) => Result<StreamSource>,
  ) => AsyncIterable<E.Either<AggregatorError, SharedPacket>>
  /** To all who read the channel now, whatever data they gave and whoever they are. Source: PublishStream in Grafana Live. */
  readonly publish: (channel: StreamChannel, packet: SharedPacket) => void
  /** Tells all readers, ends all calls; resolves when none is left. */
  readonly close: () => Promise<void>
}

const once = <A>(make: () => A): (() => A) => {
  let made: A | undefined
  return () => (made ??= make())
}

/** Puts JSON of a plugin on one line, its numbers as they were written. None: it is no JSON in UTF-8. */
export const toPacket = (given: Uint8Array): O.Option<SharedPacket> =>
  O.tryCatch(() => {
    // of bytes that are no UTF-8 a WebSocket would die
    if (!isUtf8(given) || !isJsonText(given)) throw new TypeError('expected JSON')
    const data = onOneLine(given)
    return {
      data,
      event: once(() => Buffer.concat([Buffer.from('data: '), data, Buffer.from('\n\n')])),
      line: once(() => Buffer.concat([data, Buffer.from('\n')])),
    }
  })
