import { resolve } from 'node:path'

import type { InstalledPlugin, PluginHost } from '../plugin.ts'
import { findExecutable } from './executable.ts'
import { findPlugins, type FoundPlugin } from './find.ts'
import { toSettings, type PluginDirectoryOptions, type Settings } from './options.ts'
import { systemClock } from './process/clock.ts'
import { pluginEnvironment } from './process/environment.ts'
import { startProcess, type Running } from './process/start.ts'
import { createSupervisor, type Supervisor, type SupervisorState } from './process/supervisor.ts'

/** For diagnostics of the operator, not for clients: `lastError` may hold paths of the host. */
export interface PluginState extends SupervisorState {
  readonly id: string
  readonly version: string
}

export interface PluginDirectory extends PluginHost {
  /** What each plugin is doing now. */
  states(): ReadonlyArray<PluginState>
}

interface Entry {
  readonly installed: InstalledPlugin
  readonly supervisor: Supervisor
}

/** Starts at once that many plugins: each one takes a core for a moment. */
const startsAtOnce = 4

const supervise = (plugin: FoundPlugin, settings: Settings, running: Set<Running>): Supervisor => {
  const { id, directory, executable } = plugin
  const { logger, receiveLimitBytes, maxFrames, startTimeoutMs, stopGraceMs, startWaitMs, drainMs, backoff } = settings
  const own = Object.hasOwn(settings.settings, id) ? settings.settings[id] : undefined
  const options = {
    pluginId: id,
    findExecutable: () => findExecutable(directory, executable),
    environment: (socketDirectory: string) =>
      pluginEnvironment({ host: process.env, env: settings.env, settings: own ?? {}, socketDirectory }),
    logger,
    receiveLimitBytes,
    maxFrames,
    startTimeoutMs,
    stopGraceMs,
    running,
  }
  return createSupervisor({
    pluginId: id,
    start: (signal) => startProcess(options, signal),
    startWaitMs,
    drainMs,
    backoff,
    logger,
    clock: systemClock,
    random: Math.random,
  })
}

/** Starts all of them, a few at a time; each one's failure is its own supervisor's business. */
const prewarm = async (supervisors: ReadonlyArray<Supervisor>): Promise<void> => {
  const queue = supervisors.values()
  const work = async (): Promise<void> => {
    for (const supervisor of queue) await supervisor.start()
  }
  await Promise.all(Array.from({ length: startsAtOnce }, work))
}

/**
 * Runs the Grafana backend plugins found below a directory, each in a process of its own: started, restarted when it dies,
 * stopped by `close`. The directory is read once, now; what is wrong with a plugin goes to the logger. Throws a TypeError for a
 * wrong option.
 */
export const pluginDirectory = (path: string, options: PluginDirectoryOptions = {}): PluginDirectory => {
  const settings = toSettings(options)
  const running = new Set<Running>()
  const entries = new Map<string, Entry>()
  for (const plugin of findPlugins(resolve(path), settings.logger)) {
    const supervisor = supervise(plugin, settings, running)
    const { id, version } = plugin
    entries.set(id, { installed: { id, version, client: supervisor.client }, supervisor })
  }
  const supervisors = [...entries.values()].map(({ supervisor }) => supervisor)

  // Node is ending without `close`: no plugin stays behind as an orphan
  const clearAll = (): void => {
    for (const entry of running) entry.clear()
  }
  process.on('exit', clearAll)
  if (settings.prewarm) void prewarm(supervisors)

  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    await Promise.all(supervisors.map((supervisor) => supervisor.close()))
    process.off('exit', clearAll)
  }
  return {
    plugin: (pluginId) => entries.get(pluginId)?.installed,
    close: () => (closing ??= close()),
    states: () =>
      [...entries.values()].map(({ installed: { id, version }, supervisor }) => ({
        id,
        version,
        ...supervisor.state(),
      })),
  }
}
