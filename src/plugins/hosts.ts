import { closeAll } from '../close-all.ts'
import type { InstalledPlugin, PluginHost } from '../plugin.ts'
import type { PluginStatus, PluginWatcher } from '../plugin-status.ts'

/** Far more than our own hosts take; one of the caller's own may hang. */
const closeTimeoutMs = 60_000

/** Several hosts as one. */
export interface PluginHosts extends PluginHost {
  statuses(): ReadonlyArray<PluginStatus>
  watch(watcher: PluginWatcher): () => void
}

const isHost = (given: unknown): boolean =>
  typeof given === 'object' && given !== null && 'plugin' in given && 'close' in given

/**
 * Several hosts as one: the first that has a plugin answers for it, and a later one's plugin of that id is neither called nor told
 * of. So a plugin under a debugger takes the place of the installed one:
 * `pluginHosts(attachedPlugins({ testds: { address: ':54321' } }), pluginDirectory('./plugins'))`; the installed one is started all
 * the same, unless `prewarm` is false.
 * Closes all of them; rejects with an AggregateError when some fail to. Throws a TypeError for what is no host.
 */
export const pluginHosts = (...given: ReadonlyArray<PluginHost>): PluginHosts => {
  const hosts = [...new Set(given)]
  if (!hosts.every(isHost))
    throw new TypeError('pluginHosts: expected hosts of plugins, such as pluginDirectory(dir), got something else')

  const ownerOf = (pluginId: string): PluginHost | undefined =>
    hosts.find((host) => host.plugin(pluginId) !== undefined)
  let closing: Promise<void> | undefined
  const close = (): Promise<void> =>
    closeAll(
      Object.fromEntries(hosts.map((host, index) => [`plugins[${String(index)}]`, () => host.close()])),
      closeTimeoutMs,
    )

  return {
    plugin: (pluginId): InstalledPlugin | undefined => {
      for (const host of hosts) {
        const found = host.plugin(pluginId)
        if (found !== undefined) return found
      }
      return undefined
    },
    statuses: () => hosts.flatMap((host) => host.statuses?.().filter(({ id }) => ownerOf(id) === host) ?? []),
    watch: (watcher) => {
      const ends = hosts.map((host) =>
        host.watch?.((change) => {
          if (ownerOf(change.to.id) === host) watcher(change)
        }),
      )
      return () => {
        for (const end of ends) end?.()
      }
    },
    close: () => (closing ??= close()),
  }
}
