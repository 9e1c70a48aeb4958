import { basename } from 'node:path'
import { isDeepStrictEqual } from 'node:util'

import type { StoredObject } from '../api/object.ts'
import { unexpected, type AggregatorError, type Result } from '../errors.ts'
import type { FileOptions } from '../file-options.ts'
import { E } from '../fp.ts'
import type { ObjectStore } from '../object-store.ts'
import type { Snapshot, SourceError } from '../source.ts'
import { createTextFiles } from '../text-files.ts'
import { createCatalog } from './catalog.ts'
import { createDisk, type DiskCalls, type DiskFault } from './disk.ts'
import { reconcile } from './document.ts'
import { createQueue } from './queue.ts'
import { createServing } from './serving.ts'
import { createStore, staleObject, type Store } from './store.ts'
import { forbiddenFor, textOfChange, textOfNew, type TextChange } from './write.ts'

export interface FolderOptions extends Required<FileOptions> {
  readonly path: string
  /** Whether reads follow each change on the disk; if not, every write reads first. */
  readonly isFollowed: () => boolean
  /** Something was read or written. */
  readonly onChange: () => void
  /** What only tests replace. */
  readonly calls?: DiskCalls | undefined
  readonly now?: (() => number) | undefined
}

/** The objects in the files of a directory, or of one file. Reads and writes come one after the other. */
export interface Folder {
  readonly objects: Omit<ObjectStore, 'ready'>
  readonly read: () => Promise<void>
  /** The same (`===`) until something else is served or rejected. */
  readonly snapshot: () => Snapshot
  /** What cannot be read, as of now. */
  readonly errors: () => ReadonlyArray<SourceError>
  /** Resolves when nothing is under way. */
  readonly idle: () => Promise<void>
}

export const isManifest = (name: string): boolean => /\.(ya?ml|json)$/.test(name)

const isSameSnapshot = (a: Snapshot, b: Snapshot): boolean =>
  a.services.length === b.services.length &&
  a.services.every((service, index) => service === b.services[index]) &&
  isDeepStrictEqual(a.rejected, b.rejected) &&
  isDeepStrictEqual(a.errors, b.errors)

/** Conditions are written often, and are on no disk: they need none. */
const isOfStatusOnly = (a: StoredObject | undefined, b: StoredObject | undefined): boolean =>
  a !== undefined && b !== undefined && a.metadata === b.metadata && a.spec === b.spec

/** A fault of the disk in the words of the API. */
const nameIn = (fault: AggregatorError, name: string): AggregatorError =>
  fault._tag === 'Forbidden' ? forbiddenFor(name, fault.message) : fault

/** So often a file may change under our hands before that is a conflict. */
const maxAttempts = 5

export const createFolder = (options: FolderOptions): Folder => {
  const { path, fileLimitBytes, isFollowed, onChange, calls, now } = options
  const readFiles = createTextFiles({ path, accepts: isManifest, fileLimitBytes })
  const disk = createDisk(path, fileLimitBytes, calls)
  const catalog = createCatalog()
  const store: Store = createStore(now === undefined ? {} : { now })
  const serving = createServing(store, () => undefined)
  const inTurn = createQueue()
  let pathError: string | undefined
  let snapshot: Snapshot = { services: [], rejected: [] }
  let isDirty = true

  /** Brings what files say of these names into the store. */
  const settle = (names: Iterable<string>): void => {
    for (const name of names) {
      const definition = catalog.definitionOf(name)
      const present = store.get(name)
      // One that is there, and no object any more, leaves the last good one in its place.
      const found = definition === undefined ? undefined : (definition.object.object ?? present)
      const next = found && reconcile(present, found)
      if (next === present) continue
      const isOther = present !== undefined && next !== undefined && next.metadata.uid !== present.metadata.uid
      if (isOther) store.swap(name, present, undefined)
      store.swap(name, store.get(name), next)
    }
  }

  const read = async (): Promise<void> => {
    const files = await readFiles()
    pathError = E.isLeft(files) ? files.left : undefined
    if (E.isRight(files)) settle(catalog.replaceAll(files.right))
    isDirty = true
  }

  const textOf = (
    name: string,
    expected: StoredObject | undefined,
    next: StoredObject | undefined,
  ): E.Either<AggregatorError, TextChange> => {
    if (expected === undefined && next !== undefined) return textOfNew(next)
    const definition = catalog.definitionOf(name)
    if (definition === undefined) return E.left(staleObject(name))
    if (next === undefined && catalog.isRepeated(name)) {
      return E.left(forbiddenFor(name, 'expected one object of this name in all files, got several'))
    }
    return textOfChange(name, definition, next)
  }

  const write = async ({ file, before, after }: TextChange): Promise<E.Either<DiskFault, ReadonlySet<string>>> => {
    if (before === after) return E.right(new Set())
    if (after !== undefined && Buffer.byteLength(after) > fileLimitBytes) {
      const message = `expected at most ${String(fileLimitBytes)} bytes (option fileLimitBytes) for "${file}"`
      return E.left({ _tag: 'Forbidden', message })
    }
    const written =
      before === undefined ? await disk.create(file, after ?? '') : await disk.replace(file, before, after)
    const text = after === undefined ? undefined : { name: file, text: E.right(after) }
    return E.map(() => catalog.replace(file, text))(written)
  }

  const commit = async (
    ...[name, expected, next]: Parameters<ObjectStore['commit']>
  ): Promise<E.Either<AggregatorError, StoredObject>> => {
    if (!isFollowed()) await read()
    for (let attempt = 1; attempt <= maxAttempts; attempt++) {
      if (store.get(name) !== expected) break
      const isMisnamed = next !== undefined && next.metadata.name !== name
      if (isMisnamed || next === expected || isOfStatusOnly(expected, next)) return store.swap(name, expected, next)
      const change = textOf(name, expected, next)
      if (E.isLeft(change)) return change
      const written = await write(change.right)
      if (E.isRight(written)) {
        const stored = store.swap(name, expected, next)
        settle(written.right)
        isDirty = true
        return stored
      }
      if (written.left !== 'changed') return E.left(nameIn(written.left, name))
      await read()
      if (expected !== undefined || attempt === 1) continue
      return E.left(forbiddenFor(name, `"${change.right.file}" is there already, and holds something else`))
    }
    return E.left(staleObject(name))
  }

  const errors = (): ReadonlyArray<SourceError> => [
    ...(pathError === undefined ? [] : [{ message: pathError, origin: basename(path) }]),
    ...[...catalog.broken()].map(([origin, message]) => ({ message, origin })),
  ]

  const current = (): Snapshot => {
    const present = errors()
    return {
      services: serving.services(),
      rejected: catalog.rejected(),
      ...(present.length === 0 ? {} : { errors: present }),
    }
  }

  const { swap: _swap, ...reads } = store
  const objects: Folder['objects'] = {
    ...reads,
    commit:
      (...change): Result<StoredObject> =>
      () =>
        inTurn(() => commit(...change))
          .catch((cause: unknown) => E.left(unexpected(cause)))
          .finally(onChange),
  }
  return {
    objects,
    read: () => inTurn(read).finally(onChange),
    snapshot: () => {
      const next = isDirty ? current() : snapshot
      if (!isSameSnapshot(snapshot, next)) snapshot = next
      isDirty = false
      return snapshot
    },
    errors,
    idle: () => inTurn(() => Promise.resolve()),
  }
}
