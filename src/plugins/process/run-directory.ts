import { rmSync } from 'node:fs'
import { lstat, mkdir, mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'

import type { Logger } from '../../logger.ts'
import type { Clock } from '../../clock.ts'
import type { Variables } from './environment.ts'
import { directoryPrefix, hostSocket, recordSuffix, sweepOrphans, type ProcessRecord } from './orphans.ts'

/**
 * A socket's path holds 107 bytes on Linux, 103 on macOS; we add a slash and up to five characters, go-plugin adds `/plugin` and up
 * to ten digits. A longer path ends the plugin at its start, with exit code 0.
 */
const maxPathBytes = 80
/** What mkdtemp puts behind the prefix. */
const suffixLength = 6
/** Cleaners of temporary files count in days. */
const touchIntervalMs = 3_600_000

/** The place of one process. */
export interface ProcessDirectory {
  /** For its socket. */
  readonly path: string
  /** Notes how to find the plugin, for the next host, should this one be killed. */
  record(record: ProcessRecord): Promise<void>
  /** Once the process is gone: a killed one leaves its socket. */
  remove(): Promise<void>
}

/** The one directory of a host, mode 0700: whoever can connect to a plugin can call it, as it asks nobody who he is. */
export interface RunDirectory {
  /** The first time, it begins to sweep up after hosts that were killed. Rejects when no directory will do. */
  open(): Promise<ProcessDirectory>
  /** Removes everything at once: for a Node that exits without close. */
  clear(): void
  close(): Promise<void>
}

/** Where sockets may live, best first: XDG_RUNTIME_DIR is short, private and spared by cleaners of old files. */
const parentsOf = (host: Variables): ReadonlyArray<string> =>
  [host['XDG_RUNTIME_DIR'], tmpdir(), '/tmp'].filter(
    (parent): parent is string => parent !== undefined && isAbsolute(parent),
  )

/** Proves to other hosts that this one lives: the system answers for us, even while Node is busy, and refuses once Node is gone. */
const listen = async (directory: string): Promise<Server | undefined> => {
  // there is no such socket on Windows
  if (process.getuid === undefined) return undefined
  const server = createServer((socket) => socket.destroy()).unref()
  const path = join(directory, '.new')
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // exclusive: in a worker of a cluster the socket would be the primary's
    server.listen({ path, exclusive: true }, resolve)
  })
  server.removeAllListeners('error').on('error', () => undefined)
  try {
    // a socket that is bound but not listened to yet refuses as a dead one does
    await rename(path, join(directory, hostSocket))
    return server
  } catch (error) {
    server.close()
    throw error
  }
}

interface Made {
  readonly parent: string
  readonly path: string
  readonly server: Server | undefined
}

const makeIn = async (parent: string): Promise<Made> => {
  const prefix = join(parent, directoryPrefix)
  if (Buffer.byteLength(prefix) + suffixLength > maxPathBytes)
    throw new Error(`"${parent}" is too long for a unix socket`)
  const path = await mkdtemp(prefix)
  try {
    return { parent, path, server: await listen(path) }
  } catch (error) {
    await rm(path, { recursive: true, force: true })
    throw error
  }
}

const make = async (host: Variables): Promise<Made> => {
  const failures: Array<unknown> = []
  for (const parent of parentsOf(host)) {
    try {
      return await makeIn(parent)
    } catch (error) {
      failures.push(error)
    }
  }
  throw new Error('no directory for sockets: set XDG_RUNTIME_DIR or TMPDIR to a short, writable path', {
    cause: failures,
  })
}

const isIntact = async ({ path, server }: Made): Promise<boolean> => {
  try {
    await lstat(server === undefined ? path : join(path, hostSocket))
    return true
  } catch {
    return false
  }
}

/** Listens again where only the socket was removed: processes may live there. */
const repair = async (made: Made): Promise<Made | undefined> => {
  made.server?.close()
  try {
    return { ...made, server: await listen(made.path) }
  } catch {
    return undefined
  }
}

/** Makes all of it look young: a plugin whose socket was removed as an old file can never be reached again. */
const touch = async ({ path }: Made): Promise<void> => {
  const now = new Date()
  const names = await readdir(path, { recursive: true })
  await Promise.allSettled(['.', ...names].map((name) => utimes(join(path, name), now, now)))
}

/** Makes nothing before the first `open`. */
export const createRunDirectory = (host: Variables, logger: Logger, clock: Clock): RunDirectory => {
  /** All there were: one that a cleaner removed may be there again in part. */
  const paths = new Set<string>()
  let made: Made | undefined
  let count = 0
  let cancelTouch = (): void => undefined
  let last: Promise<unknown> = Promise.resolve()
  let swept: Promise<void> = Promise.resolve()
  const sweeping = new AbortController()
  let closing: Promise<void> | undefined

  const keepYoung = (directory: Made): void => {
    cancelTouch = clock.setTimeout(() => {
      touch(directory).catch(() => undefined)
      keepYoung(directory)
    }, touchIntervalMs)
  }
  const begin = async (): Promise<Made> => {
    const begun = await make(host)
    keepYoung(begun)
    const isFirst = paths.size === 0
    paths.add(begun.path)
    // not waited for: one that does not end would make every start late
    if (isFirst) swept = sweepOrphans(begun.parent, begun.path, logger, sweeping.signal)
    return begun
  }
  const find = async (): Promise<Made> => {
    if (made === undefined) return (made = await begin())
    if (await isIntact(made)) return made
    logger.warn('the directory of the sockets of plugins was removed, or part of it', { directory: made.path })
    const repaired = await repair(made)
    if (repaired !== undefined) return (made = repaired)
    cancelTouch()
    return (made = await begin())
  }
  const open = async (): Promise<ProcessDirectory> => {
    if (closing !== undefined) throw new Error('the host is closed')
    const directory = await find()
    const path = join(directory.path, (count++).toString(36))
    const recordPath = `${path}${recordSuffix}`
    await mkdir(path, { mode: 0o700 })
    return {
      path,
      record: (record) => writeFile(recordPath, JSON.stringify(record), { mode: 0o600 }),
      remove: async () => {
        await rm(recordPath, { force: true })
        await rm(path, { recursive: true, force: true })
      },
    }
  }
  /** What a process left behind may still write there, or have made what cannot be removed: no reason for `close` to fail. */
  const removeAll = async (directory: string): Promise<void> => {
    try {
      await rm(directory, { recursive: true, force: true })
    } catch (cause) {
      logger.warn('cannot remove the directory of the sockets of plugins', { directory, cause })
    }
  }
  const close = async (): Promise<void> => {
    await last
    cancelTouch()
    sweeping.abort()
    await swept
    made?.server?.close()
    await Promise.all([...paths].map(removeAll))
  }
  return {
    // one at a time: they share what they find
    open: () => {
      const opened = last.then(open)
      last = opened.catch(() => undefined)
      return opened
    },
    clear: () => {
      for (const path of paths) rmSync(path, { recursive: true, force: true })
    },
    close: () => (closing ??= close()),
  }
}
