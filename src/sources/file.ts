import { basename, resolve } from 'node:path'

import { toFileSettings, type FileOptions } from '../file-options.ts'
import { E } from '../fp.ts'
import type { DataPlaneServiceSource, Snapshot, SourceObserver, Unsubscribe } from '../source.ts'
import { createTextFiles, type TextFile } from '../text-files.ts'
import { createWatch } from '../watch.ts'
import { isSameSnapshot, readManifest, toSnapshot, type Manifest } from './manifest.ts'

export type FileSourceOptions = FileOptions

export const isManifest = (name: string): boolean => /\.(ya?ml|json)$/.test(name)

const subscribe = (path: string, options: Required<FileOptions>, observer: SourceObserver): Unsubscribe => {
  const origin = basename(path)
  const readFiles = createTextFiles({ path, accepts: isManifest, fileLimitBytes: options.fileLimitBytes })
  let manifests: ReadonlyMap<string, Manifest> = new Map()
  let snapshot: Snapshot | undefined
  let pathError: string | undefined
  let closed = false

  const update = (files: ReadonlyArray<TextFile>): void => {
    const current = new Map(snapshot?.services.map((service) => [service.metadata.name, service]))
    const last = manifests
    manifests = new Map(
      files.map((file) => {
        const manifest = last.get(file.name)
        return [file.name, manifest?.file === file ? manifest : readManifest(file, manifest, current)]
      }),
    )
    for (const [name, manifest] of manifests) {
      if (manifest.error !== undefined && manifest !== last.get(name)) {
        observer.error({ message: manifest.error, origin: name })
      }
    }
  }

  const read = async (): Promise<void> => {
    const files = await readFiles()
    if (closed) return
    if (E.isRight(files)) update(files.right)
    else if (files.left !== pathError) observer.error({ message: files.left, origin })
    pathError = E.isLeft(files) ? files.left : undefined
    const next = toSnapshot(manifests.values())
    if (snapshot !== undefined && isSameSnapshot(snapshot, next)) return
    snapshot = next
    observer.next(next)
  }

  const watch = createWatch({
    path,
    debounceMs: options.debounceMs,
    rescanMs: options.rescanMs,
    read,
    onReadError: (cause) => {
      observer.error({ message: 'expected to read every file, got an unexpected error', origin, cause })
    },
    onWatchError: (code) => {
      const message = `expected a watch from the operating system, got ${code}: changes are found at rescans only`
      observer.error({ message, origin })
    },
  })
  return () => {
    closed = true
    return watch.close()
  }
}

/**
 * DataPlaneService objects out of the `*.yml`, `*.yaml` and `*.json` files of one directory, several documents or a `List`
 * to a file; hidden files and subdirectories do not count. Changes serve within a moment, also through renames, links,
 * mounted ConfigMaps, and a directory that is not there yet. A file or directory that turns unreadable, or an object that
 * turns invalid, serves on as it was and is reported; what is deleted goes. A name that several files define is the first
 * file's, by file name. Objects get no `creationTimestamp`: a file's time is not when its object was made, and would change
 * who is oldest at each edit.
 */
export const fileSource = (dir: string, options: FileSourceOptions = {}): DataPlaneServiceSource => {
  const path = resolve(dir)
  const settings = toFileSettings(options)
  return { subscribe: (observer) => subscribe(path, settings, observer) }
}
