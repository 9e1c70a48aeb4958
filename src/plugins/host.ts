import type { PluginJson } from '../api/plugin-json.ts'
import type { InstalledPlugin, PluginHost } from '../plugin.ts'
import type { PluginChange, PluginWatcher } from '../plugin-status.ts'
import type { PluginSettings } from './options.ts'
import { systemClock, type Clock } from '../clock.ts'
import type { StartPeer } from './process/peer.ts'
import type { Secrets } from './process/secrets.ts'
import { createSupervisor, type Supervisor } from './process/supervisor.ts'

/** One plugin, and how to get hold of it. */
export interface Member {
  readonly id: string
  /** Empty when unknown. */
  readonly version: string
  readonly pluginJson?: PluginJson
  readonly start: StartPeer
  /** Identity of its program as it is now, undefined when it is gone; left out where nothing can be replaced. */
  readonly stamp?: () => string | undefined
  readonly secrets: Secrets
}

/** A host whose plugins have a life of their own. */
export type LivingPluginHost = PluginHost & Required<Pick<PluginHost, 'statuses' | 'watch'>>

interface Entry {
  readonly installed: InstalledPlugin
  readonly supervisor: Supervisor
}

/** Starts all of them, a few at a time; each one's failure is its own supervisor's business. */
const prewarm = async (
  supervisors: ReadonlyArray<Supervisor>,
  { startsAtOnce, startWaitMs }: PluginSettings,
  clock: Clock,
): Promise<void> => {
  const queue = supervisors.values()
  /** One that starts and starts is as far as it gets by itself: the others need not wait for it. */
  const begin = (supervisor: Supervisor): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.setTimeout(resolve, startWaitMs)
      void supervisor.start().then(() => {
        cancel()
        resolve()
      })
    })
  const work = async (): Promise<void> => {
    for (const supervisor of queue) await begin(supervisor)
  }
  await Promise.all(Array.from({ length: Math.min(startsAtOnce, supervisors.length) }, work))
}

/** Tells each change to all watchers before the next one, whatever they do about it. */
const createWatchers = (settings: Pick<PluginSettings, 'logger'>) => {
  const watchers = new Set<{ readonly watcher: PluginWatcher }>()
  const changes: Array<PluginChange> = []

  const tellAll = (change: PluginChange): void => {
    // who came meanwhile hears from the next one on
    for (const entry of [...watchers]) {
      if (!watchers.has(entry)) continue
      try {
        entry.watcher(change)
      } catch (cause) {
        settings.logger.error('a watcher of plugins threw', { plugin: change.to.id, cause })
      }
    }
  }
  return {
    tell: (change: PluginChange): void => {
      changes.push(change)
      // who tells the one before tells this one, too
      if (changes.length > 1) return
      for (const next of changes) tellAll(next)
      changes.length = 0
    },
    watch: (watcher: PluginWatcher): (() => void) => {
      const entry = { watcher }
      watchers.add(entry)
      return () => {
        watchers.delete(entry)
      }
    },
  }
}

/** Runs the plugins, each by a supervisor of its own; `plugins` of the options says how. Starts them now, with `prewarm`. */
export const createHost = (
  members: ReadonlyArray<Member>,
  settings: PluginSettings,
  { clock = systemClock, random = Math.random } = {},
): LivingPluginHost => {
  const watchers = createWatchers(settings)
  const entries = new Map<string, Entry>()
  for (const { id, version, pluginJson, ...member } of members) {
    const supervisor = createSupervisor({
      plugin: { id, version },
      ...member,
      settings,
      clock,
      random,
      onChange: watchers.tell,
    })
    const json = pluginJson === undefined ? {} : { pluginJson }
    entries.set(id, { installed: { id, version, ...json, client: supervisor.client }, supervisor })
  }
  const supervisors = [...entries.values()].map(({ supervisor }) => supervisor)
  if (settings.prewarm) void prewarm(supervisors, settings, clock)

  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    await Promise.all(supervisors.map((supervisor) => supervisor.close()))
  }
  return {
    plugin: (pluginId) => entries.get(pluginId)?.installed,
    statuses: () => supervisors.map((supervisor) => supervisor.status()),
    watch: watchers.watch,
    close: () => (closing ??= close()),
  }
}
