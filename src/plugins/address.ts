import { createAnswerBudget, type AnswerBudget } from './answer-budget.ts'
import { parsePluginAddress, type Attachment, type PluginAddress } from './address-options.ts'
import { openConnection } from './grpc/connection.ts'
import { createHost, type LivingPluginHost, type Member } from './host.ts'
import { toPluginSettings, type PluginOptions, type PluginSettings } from './options.ts'
import { systemClock } from '../clock.ts'
import { createLogBudget } from './process/log-budget.ts'
import type { Peer, PeerExit, StartPeer } from './process/peer.ts'
import { createSecrets, type Secrets } from './process/secrets.ts'
import { ofPlugin } from './process/start.ts'
import { readStdio } from './process/stdio.ts'

/** A try to connect costs next to nothing, and who restarts a plugin under a debugger waits for it. */
const maxBackoffMs = 5_000

/** Time for a plugin to take the call that ends it. Source: client.go of go-plugin. */
const stopGraceMs = 2_000

interface AttachOptions {
  readonly attachment: Attachment
  readonly settings: PluginSettings
  readonly budget: AnswerBudget
  readonly secrets: Secrets
}

/** Connects to a plugin that runs. It is lost when nobody answers there any more, and left, not ended, unless it is ours to end. */
const attach = async (
  { attachment, settings, budget, secrets }: AttachOptions,
  signal: AbortSignal,
  onSuspect: () => void,
): Promise<Peer> => {
  const { id: pluginId, target, tls, pid, endsWithHost } = attachment
  const { logger, probe, receiveLimitBytes, sendLimitBytes, maxFrames, frameFormat, logLinesPerSecond } = settings
  let isServing = false
  const suspect = (): void => {
    if (isServing) onSuspect()
  }
  const connection = openConnection(target, {
    ...{ pluginId, receiveLimitBytes, sendLimitBytes, maxFrames, budget, tls },
    frameFormat: ofPlugin(frameFormat, pluginId) ?? 'arrow',
    onUnavailable: suspect,
    strike: secrets.strike,
  })
  const failure = await connection.ping(probe.timeoutMs, signal)
  if (failure !== undefined) {
    connection.close()
    throw new Error(`no plugin at ${target}: ${failure.message}`)
  }
  const logBudget = createLogBudget(logger, pluginId, logLinesPerSecond, systemClock)
  const endStdio = readStdio(connection, { logger, pluginId, budget: logBudget, secrets }, suspect)
  isServing = true

  let resolveEnded = (_exit: PeerExit): void => undefined
  const ended = new Promise<PeerExit>((resolve) => {
    resolveEnded = resolve
  })
  const leave = (why: string): void => {
    isServing = false
    endStdio()
    connection.close()
    logBudget.end()
    resolveEnded({ code: null, signal: null, stderr: '', error: new Error(why) })
  }
  return {
    pid,
    client: connection.client,
    ended,
    ping: (timeoutMs) => connection.ping(timeoutMs),
    stop: async () => {
      isServing = false
      if (endsWithHost) {
        connection.endCalls()
        // whatever it answers: it ends without an answer, or is not ours to force
        await connection.shutdown(stopGraceMs).catch(() => undefined)
      }
      leave('the connection was closed')
      await ended
    },
    kill: () => {
      leave(`the connection to ${target} was lost`)
    },
  }
}

/**
 * Plugins that somebody else runs, by plugin id: under a debugger, in a container, in a cluster. Connected at once, or with `prewarm:
 * false` at the first request; connected again when the connection is lost. `close` leaves them running, except for one that was
 * reattached without `Test`.
 * Shapes: `attachedPlugins({ testds: { address: '127.0.0.1:54321' } })`, `attachedPlugins({ testds: { reattach: { … } } })`. Throws
 * a TypeError for a wrong option, and for plain text with another host.
 */
export const attachedPlugins = (
  plugins: Readonly<Record<string, PluginAddress>>,
  options: PluginOptions = {},
): LivingPluginHost => {
  const table: unknown = plugins
  if (typeof table !== 'object' || table === null)
    throw new TypeError('attachedPlugins: expected an object of addresses by plugin id, got nothing of the kind')
  const given = toPluginSettings(options)
  const backoff = { ...given.backoff, maxMs: options.backoff?.maxMs ?? maxBackoffMs }
  const settings: PluginSettings = { ...given, backoff }
  const budget = createAnswerBudget(settings.answerBytes)
  const toMember = ([id, address]: readonly [string, PluginAddress]): Member => {
    const attachment = parsePluginAddress(id, address)
    const secrets = createSecrets([])
    const start: StartPeer = (signal, onSuspect) => attach({ attachment, settings, budget, secrets }, signal, onSuspect)
    return { id, version: attachment.version, start, secrets }
  }
  return createHost(Object.entries(plugins).map(toMember), settings)
}
