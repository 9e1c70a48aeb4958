/** The two hosts of plugins: processes behind gRPC, and functions of this process. */
export { pluginDirectory, type PluginDirectory, type PluginState } from './directory.ts'
export { inProcess, type InProcessPlugin, type QueryDataAnswer } from './in-process.ts'
export type { PluginDirectoryOptions } from './options.ts'
