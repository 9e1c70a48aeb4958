import { lstat, readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Logger } from '../../logger.ts'
import type { TlsOptions } from '../grpc/channel.ts'
import { openConnection } from '../grpc/connection.ts'

/** Of the directory that one host makes for its sockets; six characters of chance follow. */
export const directoryPrefix = 'dpa-'
/** In it: a socket that somebody listens to for as long as the host lives, and a record for each process. */
export const hostSocket = 'host'
export const recordSuffix = '.json'

/** Where a plugin can be found by somebody who did not start it. */
export interface ProcessRecord {
  readonly plugin: string
  readonly pid: number | undefined
  /** Shape: `unix:/run/plugin123`, `ipv4:127.0.0.1:10000`. */
  readonly target: string
  /** How to speak to one that speaks TLS; it holds a key. */
  readonly tls?: TlsOptions | undefined
}

/** Strangers may have any number of directories beside ours. */
const sweepsAtOnce = 16

/** A host that has just made its directory does not listen yet. */
const minAgeMs = 60_000
const connectTimeoutMs = 1_000
const shutdownTimeoutMs = 2_000
const endTimeoutMs = 2_000
const pollMs = 25

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)

const addressOf = (target: string): { readonly path: string } | { readonly host: string; readonly port: number } => {
  const match = /^ipv[46]:\[?([^\]]+?)\]?:(\d+)$/.exec(target)
  return match === null ? { path: target.replace(/^unix:/, '') } : { host: match[1] ?? '', port: Number(match[2]) }
}

type Listener = 'there' | 'gone' | 'absent'

/** Whether anybody listens. When in doubt, yes: only a refusal proves that nobody does. */
const listenerAt = (target: string): Promise<Listener> =>
  new Promise((resolve) => {
    const socket = connect(addressOf(target))
    const end = (listener: Listener): void => {
      socket.destroy()
      resolve(listener)
    }
    socket.setTimeout(connectTimeoutMs, () => {
      end('there')
    })
    socket.once('connect', () => {
      end('there')
    })
    socket.on('error', (error) => {
      const code = codeOf(error)
      end(code === 'ECONNREFUSED' ? 'gone' : code === 'ENOENT' ? 'absent' : 'there')
    })
  })

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** A directory of ours whose host is gone. Others may have laid a trap in a directory that everybody may write to. */
const isAbandoned = async (directory: string): Promise<boolean> => {
  const stat = await lstat(directory)
  if (!stat.isDirectory() || stat.uid !== process.getuid?.() || (stat.mode & 0o777) !== 0o700) return false
  const listener = await listenerAt(`unix:${join(directory, hostSocket)}`)
  return listener === 'gone' || (listener === 'absent' && Date.now() - stat.mtimeMs > minAgeMs)
}

const isTls = (value: unknown): value is TlsOptions =>
  typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string')

const isRecord = (value: unknown): value is ProcessRecord =>
  typeof value === 'object' &&
  value !== null &&
  'plugin' in value &&
  typeof value.plugin === 'string' &&
  'target' in value &&
  typeof value.target === 'string' &&
  (!('pid' in value) || typeof value.pid === 'number') &&
  (!('tls' in value) || isTls(value.tls))

const readRecord = async (path: string): Promise<ReadonlyArray<ProcessRecord>> => {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'))
    return isRecord(value) ? [value] : []
  } catch {
    // the host died while it wrote it
    return []
  }
}

/** Processes that were recorded, and sockets that were not: their host died before it was told of them. */
const recordsIn = async (directory: string): Promise<ReadonlyArray<ProcessRecord>> => {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true })
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith(recordSuffix))
  const recorded = (await Promise.all(files.map(({ name }) => readRecord(join(directory, name))))).flat()
  const found = entries
    .filter((entry) => entry.isSocket() && entry.parentPath !== directory)
    .map(({ parentPath, name }): ProcessRecord => ({
      plugin: '',
      pid: undefined,
      target: `unix:${join(parentPath, name)}`,
    }))
  return [...recorded, ...found.filter(({ target }) => !recorded.some((record) => record.target === target))]
}

/**
 * Somebody else may listen to a port by now, so there the process must be there too. A pid is only ever asked for, never killed: it may
 * be a stranger's by now.
 */
const mayLive = async ({ pid, target }: ProcessRecord): Promise<boolean> =>
  (target.startsWith('unix:') || (pid !== undefined && isRunning(pid))) && (await listenerAt(target)) === 'there'

const shutDown = async ({ plugin, target, tls }: ProcessRecord, signal: AbortSignal): Promise<void> => {
  const connection = openConnection(target, {
    pluginId: plugin,
    receiveLimitBytes: 1,
    sendLimitBytes: 1,
    maxFrames: 1,
    frameFormat: 'arrow',
    budget: { hasRoom: () => false, hold: () => false },
    onUnavailable: () => undefined,
    tls,
  })
  const abort = (): void => {
    connection.endCalls()
  }
  signal.addEventListener('abort', abort)
  try {
    if (!signal.aborted) await connection.shutdown(shutdownTimeoutMs)
  } finally {
    signal.removeEventListener('abort', abort)
    connection.close()
  }
}

const pause = (signal: AbortSignal): Promise<void> => sleep(pollMs, undefined, { signal }).catch(() => undefined)

/** True when nothing of it is left. */
const end = async (record: ProcessRecord, logger: Logger, signal: AbortSignal): Promise<boolean> => {
  if (!(await mayLive(record))) return true
  await shutDown(record, signal)
  // its key is for no log
  const { plugin, pid, target } = record
  for (const untilMs = Date.now() + endTimeoutMs; Date.now() < untilMs && !signal.aborted; await pause(signal)) {
    if (await mayLive(record)) continue
    logger.info('ended a plugin whose host was gone', { plugin, pid, target })
    return true
  }
  if (!signal.aborted) logger.warn('a plugin whose host is gone does not end', { plugin, pid, target })
  return false
}

const sweep = async (directory: string, logger: Logger, signal: AbortSignal): Promise<void> => {
  try {
    if (!(await isAbandoned(directory))) return
    const records = await recordsIn(directory)
    const ended = await Promise.all(records.map((record) => end(record, logger, signal)))
    if (!ended.every(Boolean)) return
    await rm(directory, { recursive: true, force: true })
    logger.info('swept up after a host of plugins that is gone', { directory })
  } catch (cause) {
    // another host may sweep here, too
    if (codeOf(cause) !== 'ENOENT') logger.warn('cannot sweep up after a host of plugins', { directory, cause })
  }
}

/**
 * Ends the plugins of hosts that were killed, and removes their directories from `parent`. Takes seconds where a plugin does not
 * end; aborted, it leaves the rest to the next host. Never rejects.
 */
export const sweepOrphans = async (parent: string, own: string, logger: Logger, signal: AbortSignal): Promise<void> => {
  if (process.getuid === undefined) return
  try {
    const directories = (await readdir(parent))
      .filter((name) => /^dpa-[A-Za-z0-9]{6}$/.test(name))
      .map((name) => join(parent, name))
      .filter((path) => path !== own)
    const queue = directories.values()
    const work = async (): Promise<void> => {
      for (const directory of queue) if (!signal.aborted) await sweep(directory, logger, signal)
    }
    await Promise.all(Array.from({ length: sweepsAtOnce }, work))
  } catch (cause) {
    logger.warn('cannot look for hosts of plugins that are gone', { parent, cause })
  }
}
