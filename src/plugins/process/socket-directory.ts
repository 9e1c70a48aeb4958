import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'

import type { Variables } from './environment.ts'

/**
 * A socket's path holds 107 bytes on Linux, 103 on macOS; go-plugin adds `/plugin` and up to ten digits. A longer path ends the
 * plugin at its start, with exit code 0.
 */
const maxPathBytes = 80

const prefix = 'dpa-'
/** What mkdtemp puts behind the prefix. */
const suffixLength = 6

/** Where sockets may live, best first: XDG_RUNTIME_DIR is short, private and spared by cleaners of old files. */
const parentsOf = (host: Variables): ReadonlyArray<string> =>
  [host['XDG_RUNTIME_DIR'], tmpdir(), '/tmp'].filter(
    (parent): parent is string => parent !== undefined && isAbsolute(parent),
  )

/**
 * Makes a directory for the socket of one process, mode 0700: whoever can connect can call the plugin, which asks nobody who he
 * is. Remove it when the process is gone, as a killed one leaves its socket. Throws when no parent will do.
 */
export const makeSocketDirectory = (host: Variables): string => {
  const failures: Array<unknown> = []
  for (const parent of parentsOf(host)) {
    const path = join(parent, prefix)
    if (Buffer.byteLength(path) + suffixLength > maxPathBytes) {
      failures.push(`"${parent}" is too long for a unix socket`)
      continue
    }
    try {
      return mkdtempSync(path)
    } catch (error) {
      failures.push(error)
    }
  }
  throw new Error('no directory for the socket: set XDG_RUNTIME_DIR or TMPDIR to a short, writable path', {
    cause: failures,
  })
}
