import { randomBytes } from 'node:crypto'
import { link, lstat, open, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import { readTextFile } from '../text-files.ts'
import { errorCodeOf } from '../watch.ts'

/** What the operating system is asked for, to be replaced in tests. */
export interface DiskCalls {
  readonly open: typeof open
  readonly rename: typeof rename
  readonly link: typeof link
  readonly unlink: typeof unlink
}

/** `'changed'`: the file is no more as it was read, or is there already. */
export type DiskFault = AggregatorError | 'changed'

/** Writes whole files of one directory, or of a path that is one file itself. Never through a link, never half a file. */
export interface Disk {
  readonly create: (file: string, text: string) => Promise<E.Either<DiskFault, void>>
  /** If the file still holds `before`; without `after` it is deleted. */
  readonly replace: (file: string, before: string, after: string | undefined) => Promise<E.Either<DiskFault, void>>
}

const forbidden = (message: string): AggregatorError => ({ _tag: 'Forbidden', message })

const faultOf = (file: string, cause: unknown): AggregatorError => {
  const code = errorCodeOf(cause)
  const message = `expected to write "${file}", got ${code}`
  if (['EACCES', 'EPERM', 'EROFS'].includes(code)) return forbidden(`${message}: it is read-only`)
  return { _tag: 'StoreFailed', message: code === 'ENOSPC' ? `${message}: the disk is full` : message, cause }
}

/** File systems without hard links, and what they say. */
const noLinks = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  )

export const createDisk = (
  path: string,
  limitBytes: number,
  { open: openFile, ...calls }: DiskCalls = { open, rename, link, unlink },
): Disk => {
  /** A crash after the answer must not take back what was answered. Some systems open no directory: then it is up to them. */
  const syncDirectory = async (directory: string): Promise<void> => {
    try {
      const handle = await openFile(directory, 'r')
      await handle.sync().finally(() => handle.close())
    } catch {
      // the file itself is on the disk, and its name will be
    }
  }

  /** A whole file under a hidden name, handed over to whoever gives it its own. Nothing of it is left, whatever happens. */
  const withTemporary = async (
    directory: string,
    text: string,
    owner: { readonly mode: number; readonly uid: number; readonly gid: number } | undefined,
    finish: (temporary: string) => Promise<E.Either<DiskFault, void>>,
  ): Promise<E.Either<DiskFault, void>> => {
    const temporary = join(directory, `.${randomBytes(8).toString('hex')}.tmp`)
    try {
      const handle = await openFile(temporary, 'wx', 0o644)
      try {
        await handle.writeFile(text)
        if (owner !== undefined) {
          // Only root may give files away, and only for him it is another's.
          await handle.chown(owner.uid, owner.gid).catch(() => undefined)
          await handle.chmod(owner.mode & 0o7777)
        }
        await handle.sync()
      } finally {
        await handle.close()
      }
      return await finish(temporary)
    } finally {
      await calls.unlink(temporary).catch(() => undefined)
    }
  }

  const name = async (temporary: string, target: string): Promise<E.Either<DiskFault, void>> => {
    try {
      // Unlike a rename, a link never takes the place of another file.
      await calls.link(temporary, target)
      return E.right(undefined)
    } catch (cause) {
      const code = errorCodeOf(cause)
      if (code === 'EEXIST') return E.left('changed')
      if (!noLinks.includes(code)) throw cause
      if (await isThere(target)) return E.left('changed')
      await calls.rename(temporary, target)
      return E.right(undefined)
    }
  }

  const inDirectory = async (
    file: string,
    write: (directory: string, isDirectory: boolean) => Promise<E.Either<DiskFault, void>>,
  ): Promise<E.Either<DiskFault, void>> => {
    try {
      const isDirectory = (await stat(path)).isDirectory()
      const directory = isDirectory ? path : dirname(path)
      if (await isThere(join(directory, '..data'))) {
        return E.left(forbidden(`expected to write "${file}", got a mounted ConfigMap or Secret: it is read-only`))
      }
      const written = await write(directory, isDirectory)
      if (E.isRight(written)) await syncDirectory(directory)
      return written
    } catch (cause) {
      return E.left(faultOf(file, cause))
    }
  }

  return {
    create: (file, text) =>
      inDirectory(file, async (directory, isDirectory) =>
        isDirectory
          ? withTemporary(directory, text, undefined, (temporary) => name(temporary, join(directory, file)))
          : E.left(forbidden(`expected a directory to write "${file}" in, got a file`)),
      ),
    replace: (file, before, after) =>
      inDirectory(file, async (directory) => {
        const target = join(directory, file)
        const info = await lstat(target).catch(() => undefined)
        if (info?.isSymbolicLink() === true) return E.left(forbidden(`expected to write "${file}", got a link`))
        if (info?.isFile() !== true) return E.left('changed')
        const isSame = async (): Promise<boolean> => {
          const text = await readTextFile(target, limitBytes)
          return E.isRight(text) && text.right === before
        }
        if (!(await isSame())) return E.left('changed')
        if (after === undefined) return E.right(await calls.unlink(target))
        return withTemporary(directory, after, info, async (temporary) => {
          // once more, at the last moment: no system swaps a file only if it still holds this text
          if (!(await isSame())) return E.left('changed')
          return E.right(await calls.rename(temporary, target))
        })
      }),
  }
}
