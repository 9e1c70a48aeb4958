import { watch, type FSWatcher } from 'node:fs'
import { basename, dirname } from 'node:path'

export interface WatchOptions {
  /** A file or a directory, there or not. */
  readonly path: string
  /** Quiet time after the last event before a read, ms: a file that is being written is left in peace. */
  readonly debounceMs: number
  /** A read without any event, ms: on network file systems and some mounts watches are silent. */
  readonly rescanMs: number
  /** Runs soon after the start, after every change and at every rescan; never twice at a time. */
  readonly read: () => Promise<void>
  /** A read threw or rejected: what changed is lost until the next one. */
  readonly onReadError: (cause: unknown) => void
  /** The operating system grants no watch (say ENOSPC, EMFILE): only rescans are left. Called once per code. */
  readonly onWatchError: (code: string) => void
}

export interface Watch {
  /** Resolves when nothing is open and no read is under way. */
  close(): Promise<void>
}

/** A stream of events without a pause delays a read by this many debounce times at most. */
const maxDebounces = 20

/** The `code` of a Node system error such as `ENOENT`. */
export const errorCodeOf = (cause: unknown): string =>
  cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'an unknown error'

/**
 * Tells when to read something again, never what changed. Watches `path` for what is written in it, and its parent for what
 * replaces it: a rename onto it, a deleted directory that comes back, the `..data` link which the kubelet swaps beside
 * mounted files. fs.watch and not chokidar: one inotify watch each is all that a full re-read needs, and it cannot lose
 * track of links.
 */
export const createWatch = ({ path, debounceMs, rescanMs, read, onReadError, onWatchError }: WatchOptions): Watch => {
  const name = basename(path)
  const reported = new Set<string>()
  let watchers: ReadonlyArray<FSWatcher> = []
  let timer: NodeJS.Timeout | undefined
  let firstEventAt: number | undefined
  let running: Promise<void> | undefined
  let again = false
  let closed = false

  const open = (target: string, concerns: (changed: string | null) => boolean): FSWatcher[] => {
    try {
      const watcher = watch(target, (_event, changed) => {
        if (concerns(changed)) schedule()
      })
      // Windows: a deleted directory ends its watch with EPERM. The parent's watch, or a rescan, opens the next one.
      watcher.on('error', () => {
        watcher.close()
      })
      return [watcher]
    } catch (cause) {
      const code = errorCodeOf(cause)
      if (code !== 'ENOENT' && !reported.has(code)) onWatchError(code)
      reported.add(code)
      return []
    }
  }

  const disarm = (): void => {
    for (const watcher of watchers) watcher.close()
  }

  /** Anew before each read: a watch of a deleted directory is dead, and inode numbers are used again, so nothing tells. */
  const arm = (): void => {
    disarm()
    watchers = [
      ...open(path, () => true),
      ...open(dirname(path), (changed) => changed === null || changed === name || changed.startsWith('..')),
    ]
  }

  const readOnce = async (): Promise<void> => {
    try {
      arm()
      await read()
    } catch (cause) {
      onReadError(cause)
    }
  }

  const run = async (): Promise<void> => {
    do {
      again = false
      // Not even a callback that throws may end the process, or the reads.
      await readOnce().catch(() => undefined)
    } while (again && !closed)
    running = undefined
  }

  const trigger = (): void => {
    firstEventAt = undefined
    if (closed) return
    if (running === undefined) running = run()
    else again = true
  }

  const schedule = (): void => {
    const now = performance.now()
    firstEventAt ??= now
    clearTimeout(timer)
    timer = setTimeout(trigger, Math.max(0, Math.min(debounceMs, firstEventAt + maxDebounces * debounceMs - now)))
  }

  const rescan = setInterval(schedule, rescanMs)
  rescan.unref()
  queueMicrotask(trigger)
  return {
    close: async () => {
      closed = true
      clearTimeout(timer)
      clearInterval(rescan)
      disarm()
      await running
    },
  }
}
