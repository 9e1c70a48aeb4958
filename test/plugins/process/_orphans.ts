import { once } from 'node:events'
import { mkdirSync, renameSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

/** A directory as a host leaves it that was killed: its socket is there, and refuses. */
export const abandon = async (parent: string, name: string): Promise<string> => {
  const path = join(parent, name)
  mkdirSync(path, { mode: 0o700 })
  const server = createServer().listen(join(path, 'bound'))
  await once(server, 'listening')
  // Node removes only the name that it knows
  renameSync(join(path, 'bound'), join(path, 'host'))
  server.close()
  return path
}
