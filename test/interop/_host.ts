// A host of plugins in a process of its own, to be killed. Arguments: the folder of plugins, and the option dieWithHost. Prints the
// plugin's pid once it serves.
import { pluginDirectory } from '../../src/plugins/index.ts'

const [, , root = '', dieWithHost] = process.argv
const host = pluginDirectory(root, { dieWithHost: dieWithHost === 'true' })
host.watch(({ to: { state, pid } }) => {
  if (state === 'ready') process.stdout.write(`${String(pid)}\n`)
})
// until it is killed, or this test's own process is gone
process.stdin.resume().on('end', () => void host.close())
