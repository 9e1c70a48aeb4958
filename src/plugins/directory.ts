import { resolve } from 'node:path'

import { createAnswerBudget } from './answer-budget.ts'
import { findExecutable, stampOf } from './executable.ts'
import { findPlugins, type FoundPlugin } from './find.ts'
import { createHost, type LivingPluginHost, type Member } from './host.ts'
import { inProcess } from './in-process.ts'
import { toSettings, type PluginDirectoryOptions, type Settings } from './options.ts'
import type { Child } from './process/child.ts'
import { systemClock } from '../clock.ts'
import { pluginEnvironment, type HandshakeVariables } from './process/environment.ts'
import { createRunDirectory, type RunDirectory } from './process/run-directory.ts'
import { createSecrets } from './process/secrets.ts'
import { ofPlugin, startProcess, type StartOptions } from './process/start.ts'

/** `true`, `debug`, `5000`: what many a log line holds, and no secret worth its name. */
const isPlain = (value: string): boolean => /^(?:true|false|[a-z]{1,6}|\d{1,6})$/.test(value)

/** What all processes of a directory share. */
type Shared = Pick<StartOptions, 'settings' | 'answerBudget' | 'runDirectory' | 'running'>

type WithProgram = FoundPlugin & { readonly executable: string }

const hasProgram = (plugin: FoundPlugin): plugin is WithProgram => plugin.executable !== undefined

const toMember = ({ id, version, directory, executable, pluginJson }: WithProgram, shared: Shared): Member => {
  const { env, settings } = shared.settings
  const own = ofPlugin(settings, id) ?? {}
  const given = [...Object.values(env), ...Object.values(own)]
  const secrets = createSecrets(given.filter((value) => !isPlain(value)))
  const environment = (handshake: HandshakeVariables): Record<string, string> =>
    pluginEnvironment({ host: process.env, env, settings: own, ...handshake })
  const options: StartOptions = {
    ...shared,
    pluginId: id,
    findExecutable: () => findExecutable(directory, executable),
    environment,
    secrets,
  }
  return {
    id,
    version,
    pluginJson,
    start: (signal, onSuspect) => startProcess(options, signal, onSuspect),
    stamp: () => stampOf(directory, executable),
    secrets,
  }
}

/** A slip of the pen would leave a program unchecked, or a plugin without its settings. */
const warnOfStrangers = (settings: Settings, plugins: ReadonlyArray<FoundPlugin>): void => {
  for (const option of ['sha256', 'settings', 'frameFormat'] as const) {
    for (const plugin of Object.keys(settings[option])) {
      if (!plugins.some(({ id }) => id === plugin))
        settings.logger.warn('an option names a plugin that is not there', { option: `plugins.${option}`, plugin })
    }
  }
}

/** Node is ending without `close`: no plugin stays behind as an orphan. */
const clear = (running: ReadonlySet<Child>, runDirectory: RunDirectory): void => {
  for (const child of running) child.kill()
  try {
    runDirectory.clear()
  } catch {
    // the next host sweeps it up
  }
}

/**
 * Runs the Grafana backend plugins found below a directory, each in a process of its own: started, restarted when it dies,
 * stopped by `close`. Plugins that have no backend but routes are known for their datasources' proxy. The directory is read once, now; what is wrong with a plugin goes to the logger. Throws a TypeError for a
 * wrong option.
 */
export const pluginDirectory = (path: string, options: PluginDirectoryOptions = {}): LivingPluginHost => {
  const given: unknown = path
  if (typeof given !== 'string')
    throw new TypeError(`pluginDirectory: expected the path of a directory, got ${typeof given}`)
  const settings = toSettings(options)
  const running = new Set<Child>()
  const runDirectory = createRunDirectory(process.env, settings.logger, systemClock)
  const plugins = findPlugins(resolve(path), settings.logger)
  warnOfStrangers(settings, plugins)
  const answerBudget = createAnswerBudget(settings.answerBytes)
  const shared: Shared = { settings, answerBudget, runDirectory, running }

  const onExit = (): void => {
    clear(running, runDirectory)
  }
  process.on('exit', onExit)
  const host = createHost(
    plugins.filter(hasProgram).map((plugin) => toMember(plugin, shared)),
    settings,
  )
  // nothing runs for these: each call is NotImplemented, and their routes are known
  const others = plugins.filter((plugin) => !hasProgram(plugin))
  const idle = inProcess(Object.fromEntries(others.map(({ id, version, pluginJson }) => [id, { version, pluginJson }])))
  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    try {
      await host.close()
    } finally {
      process.off('exit', onExit)
      await runDirectory.close()
    }
  }
  return {
    ...host,
    plugin: (pluginId) => host.plugin(pluginId) ?? idle.plugin(pluginId),
    close: () => (closing ??= close()),
  }
}
