import { basename, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'

import { quote } from '../decode.ts'
import type { AggregatorError } from '../errors.ts'
import { toFileSettings, type FileOptions } from '../file-options.ts'
import { E } from '../fp.ts'
import { safeLogger, silentLogger, type Logger } from '../logger.ts'
import type { PluginContextProvider } from '../plugin.ts'
import { capReports, createTextFiles, readTextFile, type TextFile } from '../text-files.ts'
import { createWatch } from '../watch.ts'
import { unlessAborted } from './abortable.ts'
import { settingsUnavailable } from './instance-settings.ts'
import {
  createInstanceTable,
  toTableSettings,
  type InstanceTable,
  type InstanceTableOptions,
} from './instance-table.ts'
import { parseProvisioningText, readEntries, unknownEntries, type FileEntries } from './provisioning-file.ts'

/** A changed `$__file{}` may go unnoticed until the next rescan. */
export interface ProvisionedContextsOptions extends InstanceTableOptions, FileOptions {
  /** Variables for `$NAME`, default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly logger?: Logger
}

type Files = ReadonlyMap<string, FileEntries>

const contentOf = (files: Files): unknown =>
  [...files.values()].map(({ datasources, apps, isKnown }) => ({ datasources, apps, isKnown }))

/**
 * Instance settings out of Grafana's provisioning files: one file, or all `*.yml` and `*.yaml` of a directory, with
 * `datasources:` and `apps:`. Changes serve within a moment. What turns unreadable or wrong is logged and serves on as it was;
 * nothing is thrown, then or at the start. A wrong entry is left out while the others serve. `lastUpdatedMS` and `id` are
 * hashes: they stay while an entry stays the same, and differ when its expanded settings or secrets, or its uid, differ.
 */
export const provisionedContexts = (path: string, options: ProvisionedContextsOptions = {}): PluginContextProvider => {
  const { env = process.env } = options
  const logger = safeLogger(options.logger ?? silentLogger)
  const { fileLimitBytes, debounceMs, rescanMs } = toFileSettings(options)
  const settings = toTableSettings(options)
  const absolute = resolve(path)
  const accepts = (name: string): boolean => /\.ya?ml$/.test(name)
  const readFiles = createTextFiles({ path: absolute, accepts, fileLimitBytes })
  const surroundings = { env, readFile: (file: string) => readTextFile(file, fileLimitBytes) }
  const documents = new WeakMap<TextFile, ReturnType<typeof parseProvisioningText>>()
  let files: Files | undefined
  let pathProblem: string | undefined
  let closed = false

  /** While a file was never good, what is in no other file may be in that one. */
  const createTable = (): InstanceTable => {
    const all = [...(files?.values() ?? [])]
    const isComplete = files !== undefined && all.every(({ isKnown }) => isKnown)
    const twice: string[] = []
    const created = createInstanceTable({
      datasources: all.flatMap((file) => file.datasources.map(({ value }) => value)),
      apps: all.flatMap((file) => file.apps.map(({ value }) => value)),
      settings,
      onDuplicate: (kind, name) => {
        twice.push(`${kind} ${quote(name)} is provisioned twice, the first serves`)
      },
      ...(isComplete ? {} : { missing: settingsUnavailable }),
    })
    for (const message of capReports(twice, (count) => `and ${count} more are provisioned twice`)) logger.warn(message)
    return created
  }
  let table = createTable()

  const readFile = async (file: TextFile, last: FileEntries): Promise<FileEntries> => {
    const parsed = documents.get(file) ?? E.flatMap(parseProvisioningText)(file.text)
    documents.set(file, parsed)
    const next = await readEntries(parsed, last, surroundings)
    for (const problem of next.problems.filter((known) => !last.problems.includes(known))) {
      logger.error(`provisioning file is wrong, what was good serves on: ${problem}`, { file: file.name })
    }
    for (const warning of next.warnings.filter((known) => !last.warnings.includes(known))) {
      logger.warn(`provisioning file: ${warning}`, { file: file.name })
    }
    return next
  }

  const read = async (): Promise<void> => {
    const found = await readFiles()
    if (closed) return
    if (E.isLeft(found)) {
      const message = `provisioning is not readable, what was good serves on: ${found.left}`
      if (found.left !== pathProblem) logger.error(message, { file: basename(absolute) })
      pathProblem = found.left
      return
    }
    pathProblem = undefined
    const next = new Map<string, FileEntries>()
    for (const file of found.right) next.set(file.name, await readFile(file, files?.get(file.name) ?? unknownEntries))
    // The same table as long as nothing changed: its answers are the very same objects.
    const isSame = files !== undefined && isDeepStrictEqual(contentOf(files), contentOf(next))
    files = next
    if (isSame) return
    table = createTable()
    logger.info('instance settings are read', { files: [...next.keys()] })
  }

  let isFirstRead = true
  let endFirstRead = (): void => undefined
  const firstRead = new Promise<E.Either<AggregatorError, undefined>>((done) => {
    endFirstRead = () => {
      isFirstRead = false
      done(E.right(undefined))
    }
  })
  const watch = createWatch({
    path: absolute,
    debounceMs,
    rescanMs,
    read: () => read().finally(endFirstRead),
    onReadError: (cause) => {
      // Its message may quote a secret.
      const error = cause instanceof Error ? cause.name : typeof cause
      logger.error('reading of provisioning files failed, what was good serves on', { error })
    },
    onWatchError: (code) => {
      logger.warn(`no watch of provisioning files (${code}): changes are found at rescans only`)
    },
  })

  return {
    getInstanceSettings: (request, signal) => async () => {
      const read = isFirstRead ? await unlessAborted(firstRead, signal) : E.right(undefined)
      return E.flatMap(() => table.find(request))(read)
    },
    close: async () => {
      closed = true
      await watch.close()
      endFirstRead()
    },
  }
}
