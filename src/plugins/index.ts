/** The hosts of plugins: processes of ours, plugins that others run, functions of this process; and several of them as one. */
export { attachedPlugins } from './address.ts'
export type { PluginAddress, PluginAtAddress, PluginTls, ReattachConfig, ReattachedPlugin } from './address-options.ts'
export { pluginDirectory } from './directory.ts'
export { pluginHosts, type PluginHosts } from './hosts.ts'
export { inProcess, type InProcessPlugin, type QueryDataAnswer } from './in-process.ts'
export type { LivingPluginHost } from './host.ts'
export type { Backoff, PluginDirectoryOptions, PluginOptions, Probe } from './options.ts'
