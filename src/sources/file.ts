import { basename, resolve } from 'node:path'

import { toFileSettings, type FileOptions } from '../file-options.ts'
import type { SourceError, Unsubscribe, WritableSource } from '../source.ts'
import { createWatch, type Watch } from '../watch.ts'
import { createBroadcast } from './broadcast.ts'
import type { DiskCalls } from './disk.ts'
import { createFolder } from './folder.ts'
import { updateStatusOf } from './status.ts'

export { isManifest } from './folder.ts'

export type FileSourceOptions = FileOptions

/** What only tests replace: the calls that write, and the clock that revisions are taken from. */
export interface FileSourceParts {
  readonly calls?: DiskCalls
  readonly now?: () => number
}

const keyOf = ({ origin, message }: SourceError): string => `${origin}: ${message}`

/** `fileSource` with some of its parts. */
export const createFileSource = (
  dir: string,
  options: FileSourceOptions = {},
  { calls, now }: FileSourceParts = {},
): WritableSource => {
  const path = resolve(dir)
  const origin = basename(path)
  const settings = toFileSettings(options)
  let subscribers = 0
  let watch: Watch | undefined
  /** Whether the present watch has read all files once. */
  let isCurrent = false
  let reported: ReadonlySet<string> = new Set()
  let watchErrors: ReadonlyArray<SourceError> = []
  let resolveReady = (): void => undefined
  const ready = new Promise<void>((resolveFirst) => {
    resolveReady = resolveFirst
  })

  const onChange = (): void => {
    resolveReady()
    if (watch === undefined) return
    const errors = folder.errors()
    const known = reported
    reported = new Set(errors.map(keyOf))
    for (const error of errors) if (!known.has(keyOf(error))) broadcast.error(error)
    broadcast.notify()
  }

  const folder = createFolder({ ...settings, path, isFollowed: () => isCurrent, onChange, calls, now })
  const broadcast = createBroadcast({
    snapshot: () => (isCurrent ? folder.snapshot() : undefined),
    errors: () => [...folder.errors(), ...watchErrors],
    origin,
  })

  const begin = (): Watch => {
    reported = new Set()
    watchErrors = []
    const mine = createWatch({
      path,
      debounceMs: settings.debounceMs,
      rescanMs: settings.rescanMs,
      read: async () => {
        await folder.read()
        if (watch !== mine) return
        isCurrent = true
        broadcast.notify()
      },
      onReadError: (cause) => {
        broadcast.error({ message: 'expected to read every file, got an unexpected error', origin, cause })
      },
      onWatchError: (code) => {
        const message = `expected a watch from the operating system, got ${code}: changes are found at rescans only`
        watchErrors = [...watchErrors, { message, origin }]
        broadcast.error({ message, origin })
      },
    })
    return mine
  }

  const end = async (): Promise<void> => {
    const last = watch
    watch = undefined
    isCurrent = false
    await last?.close()
    await folder.idle()
  }

  const objects = { ...folder.objects, ready }
  return {
    objects,
    updateStatus: updateStatusOf(objects),
    subscribe: (observer): Unsubscribe => {
      const leave = broadcast.add(observer)
      subscribers += 1
      watch ??= begin()
      let left: Promise<void> | undefined
      const unsubscribe = (): Promise<void> => {
        leave()
        subscribers -= 1
        return subscribers === 0 ? end() : Promise.resolve()
      }
      return () => (left ??= unsubscribe())
    },
  }
}

/**
 * DataPlaneService objects out of the `*.yml`, `*.yaml` and `*.json` files of one directory, several documents or a `List`
 * to a file; hidden files and subdirectories do not count. Changes serve within a moment, also through renames, links,
 * mounted ConfigMaps, and a directory that is not there yet. A file or directory that turns unreadable, or an object that
 * turns invalid, serves on as it was and is reported; what is deleted goes. A name that several files define is the first
 * file's, by file name, that has it right. Objects get no `creationTimestamp`: a file's time is not when its object was made, and
 * would change who is oldest at each edit.
 *
 * Objects that are written come into files: a new one into `<name>.yaml`, a change into the very place where its object stands, with
 * all else in the file left as it is. What an API keeps of an object (uid, managedFields) is in files that it made; of those that
 * somebody wrote by hand, and of status, it is in memory only. All subscribers share one watch.
 */
export const fileSource = (dir: string, options: FileSourceOptions = {}): WritableSource =>
  createFileSource(dir, options)
