import { setTimeout as sleep } from 'node:timers/promises'

import type { PluginClient } from '../../plugin.ts'
import type { PingFailure } from '../process/peer.ts'
import type { OpenCalls } from './call.ts'
import { openChannel, type TlsOptions } from './channel.ts'
import { createPluginClient, type ClientOptions } from './client.ts'
import { ping } from './ping.ts'
import { protocol } from './proto.ts'
import { readStdio } from './stdio.ts'
import { callUnary } from './unary.ts'

const pollMs = 10

export interface ConnectionOptions extends ClientOptions {
  /** Left out: no TLS, as Grafana has it. */
  readonly tls?: TlsOptions | undefined
}

/** The one gRPC channel to one plugin process. */
export interface Connection {
  readonly client: PluginClient
  /** go-plugin's own check, which says that the process serves, not that the plugin is well. Undefined: it does. Never rejects. */
  ping(timeoutMs: number, signal?: AbortSignal): Promise<PingFailure | undefined>
  /**
   * Takes what the plugin prints once it serves; unread, it blocks whoever prints. `onLost` hears when the stream broke; not
   * when the plugin ended it or does not have it.
   */
  readStdio(onData: (channel: 'stdout' | 'stderr', data: Buffer) => void, onLost: () => void): void
  /** Asks the process to end. A plugin does so without answering: every outcome is as good as the next. */
  shutdown(timeoutMs: number): Promise<void>
  /** Resolves when no call runs any more, or after `timeoutMs`. */
  drained(timeoutMs: number): Promise<void>
  /** Ends running calls and streams with PluginUnavailable. */
  endCalls(): void
  /** Ends running calls and lets the socket go. */
  close(): void
}

/**
 * Opens the channel lazily: nothing is connected before the first call. Shape of `target`: `unix:/run/plugin1` or
 * `ipv4:127.0.0.1:10000`. Throws for certificates and keys that cannot be read.
 */
export const openConnection = (target: string, options: ConnectionOptions): Connection => {
  const channel = openChannel(target, options.receiveLimitBytes, options.tls)
  const openCalls: OpenCalls = new Set()
  /** What the process prints goes on while its calls end. */
  const openStdio: OpenCalls = new Set()
  const endAll = (calls: OpenCalls): void => {
    for (const lose of [...calls]) lose()
  }
  return {
    client: createPluginClient(channel, openCalls, options),
    ping: (timeoutMs, signal) => ping(channel, openCalls, timeoutMs, signal),
    readStdio: (onData, onLost) => {
      readStdio(channel, openStdio, onData, onLost)
    },
    shutdown: async (timeoutMs) => {
      const { path, serialize } = protocol().shutdown
      await callUnary(channel, path, serialize({}), { timeoutMs }, openCalls)
    },
    drained: async (timeoutMs) => {
      for (let waitedMs = 0; openCalls.size > 0 && waitedMs < timeoutMs; waitedMs += pollMs)
        await sleep(pollMs, undefined, { ref: false })
    },
    endCalls: () => {
      endAll(openCalls)
    },
    close: () => {
      endAll(openCalls)
      endAll(openStdio)
      channel.close()
    },
  }
}
