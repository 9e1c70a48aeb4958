// A host of plugins in a process of its own, to be killed. Arguments: the folder of plugins, and its options in JSON. Prints the
// plugin's pid once it serves.
import { pluginDirectory, type PluginDirectoryOptions } from '../../src/plugins/index.ts'

const [, , root = '', options = '{}'] = process.argv
const host = pluginDirectory(root, JSON.parse(options) as PluginDirectoryOptions)
host.watch(({ to: { state, pid } }) => {
  if (state === 'ready') process.stdout.write(`${String(pid)}\n`)
})
// until it is killed, or this test's own process is gone
process.stdin.resume().on('end', () => void host.close())
