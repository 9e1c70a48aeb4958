import type { BigIntStats } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'

import { E } from './fp.ts'
import { errorCodeOf } from './watch.ts'

export interface TextFile {
  readonly name: string
  /** Left: why there is no text, one sentence that names no path. */
  readonly text: E.Either<string, string>
}

/** More reports on one file than this help nobody; the rest is counted in a last one. */
const maxReports = 100

/** At most so many reports on one file as somebody would read; `restOf` makes the last one. */
export const capReports = <A>(reports: ReadonlyArray<A>, restOf: (count: string) => A): ReadonlyArray<A> =>
  reports.length <= maxReports
    ? reports
    : [...reports.slice(0, maxReports), restOf(String(reports.length - maxReports))]

export interface TextFilesOptions {
  /** A directory, read without its subdirectories; or one file. */
  readonly path: string
  /** Which files of the directory count, by name. Hidden ones never do. */
  readonly accepts: (name: string) => boolean
  readonly fileLimitBytes: number
  /** The clock, ms since the epoch. Default: Date.now. */
  readonly now?: () => number
}

/** All files sorted by name. A file whose text is the same is the same (`===`) object again. Left: why the path cannot be read. */
export type ReadTextFiles = () => Promise<E.Either<string, ReadonlyArray<TextFile>>>

interface Known {
  readonly file: TextFile
  readonly signature: string | undefined
}

/**
 * File times move in steps (4 ms, up to 2 s on old file systems): a file written again within the step in which it was read
 * looks unchanged. So times prove something only when they were this old at the time of the read. Git calls it "racy".
 */
const racyMs = 2000

/** Open files at a time. */
const batchSize = 64

const sameText = (a: TextFile['text'], b: TextFile['text']): boolean =>
  E.isRight(a) ? E.isRight(b) && a.right === b.right : E.isLeft(b) && a.left === b.left

const decodeText = (bytes: Uint8Array): E.Either<string, string> =>
  E.tryCatch(
    () => new TextDecoder('utf-8', { fatal: true }).decode(bytes),
    () => 'expected UTF-8 text',
  )

const unreadable = (what: string, cause: unknown): string => `expected a readable ${what}, got ${errorCodeOf(cause)}`

interface Entry {
  readonly path: string
  readonly name: string
  /** Listed for sure, so that its absence is a fault: a link to nothing. */
  readonly mustExist: boolean
}

const list = async ({ path, accepts }: TextFilesOptions): Promise<ReadonlyArray<Entry>> => {
  try {
    const entries = await readdir(path, { withFileTypes: true })
    return entries
      .filter(({ name }) => !name.startsWith('.') && accepts(name))
      .map((entry) => ({ path: join(path, entry.name), name: entry.name, mustExist: entry.isSymbolicLink() }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch (cause) {
    if (errorCodeOf(cause) !== 'ENOTDIR') throw cause
    return [{ path, name: basename(path), mustExist: true }]
  }
}

/** The text of one file. Left: why there is none, one sentence that names no path. */
export const readTextFile = async (path: string, limitBytes: number): Promise<E.Either<string, string>> => {
  try {
    const info = await stat(path)
    // Before any open: opening a FIFO waits for its writer, forever.
    if (!info.isFile()) return E.left('expected a regular file')
    if (info.size <= limitBytes) return decodeText(await readFile(path))
    return E.left(`expected at most ${String(limitBytes)} bytes (option fileLimitBytes), got ${String(info.size)}`)
  } catch (cause) {
    return E.left(unreadable('file', cause))
  }
}

/** What tells a file from another, and from itself before a change; `undefined` while times prove nothing. */
const signatureOf = (info: BigIntStats, nowMs: number): string | undefined =>
  nowMs - Number(info.ctimeMs) > racyMs ? [info.dev, info.ino, info.size, info.mtimeNs, info.ctimeNs].join() : undefined

const isGone = (path: string): Promise<boolean> =>
  stat(path).then(
    () => false,
    (cause: unknown) => errorCodeOf(cause) === 'ENOENT',
  )

/** `undefined`: deleted since it was listed, maybe between a look at it and the read. */
const readOne = async (
  entry: Entry,
  known: Known | undefined,
  { fileLimitBytes, now = Date.now }: TextFilesOptions,
): Promise<Known | undefined> => {
  const { name, path } = entry
  const nowMs = now()
  const info = await stat(path, { bigint: true }).catch(() => undefined)
  const signature = info && signatureOf(info, nowMs)
  if (known !== undefined && signature !== undefined && signature === known.signature) return known
  const text = await readTextFile(path, fileLimitBytes)
  if (E.isLeft(text) && !entry.mustExist && (await isGone(path))) return undefined
  const file = known !== undefined && sameText(known.file.text, text) ? known.file : { name, text }
  return { file, signature }
}

/** Reads a directory of small text files again and again; only those whose size, identity or times changed are opened. */
export const createTextFiles = (options: TextFilesOptions): ReadTextFiles => {
  let known: ReadonlyMap<string, Known> = new Map()
  return async () => {
    try {
      const entries = await list(options)
      const found = new Map<string, Known>()
      for (let start = 0; start < entries.length; start += batchSize) {
        const batch = entries.slice(start, start + batchSize)
        const read = await Promise.all(batch.map((entry) => readOne(entry, known.get(entry.name), options)))
        for (const one of read) if (one !== undefined) found.set(one.file.name, one)
      }
      known = found
      return E.right([...found.values()].map(({ file }) => file))
    } catch (cause) {
      return E.left(unreadable('file or directory', cause))
    }
  }
}
