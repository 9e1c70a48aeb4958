import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { parsePluginJson, type PluginJson } from '../api/plugin-json.ts'
import { describeCauses } from '../decode.ts'
import { E } from '../fp.ts'
import type { Logger } from '../logger.ts'
import { isInside } from './executable.ts'

/** A plugin that a host has something to do for: a program to run, or routes that lead to its datasources. */
export interface FoundPlugin {
  readonly id: string
  readonly version: string
  /** Of its plugin.json; absolute. */
  readonly directory: string
  /** Relative to `directory`, without platform; `undefined`: it has no backend. */
  readonly executable: string | undefined
  readonly pluginJson: PluginJson
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false

/** Sorted, so that "the first one wins" means the same on every file system. */
const subdirectoriesOf = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .filter(({ name }) => name !== 'node_modules')
    .map(({ name }) => join(directory, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory())
    .sort()

/** All plugin.json below a directory, its own first. A built plugin has a second one in `dist`, which is the one that counts. */
const findFiles = (root: string, logger: Logger): ReadonlyArray<string> => {
  const visited = new Set<string>()
  const files: Array<string> = []
  const walk = (directory: string): void => {
    try {
      const real = realpathSync(directory)
      // a symlink may lead back up
      if (visited.has(real)) return
      visited.add(real)
      const own = join(directory, 'plugin.json')
      if (isFile(own) && !isFile(join(directory, 'dist', 'plugin.json'))) files.push(own)
      subdirectoriesOf(directory).forEach(walk)
    } catch (error) {
      logger.warn('cannot read a directory of plugins', { directory, cause: messageOf(error) })
    }
  }
  walk(root)
  return files
}

const readPluginJson = (file: string): E.Either<string, PluginJson> => {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return E.mapLeft(describeCauses)(parsePluginJson(value))
  } catch (error) {
    return E.left(messageOf(error))
  }
}

const isForHost = ({ backend = false, routes = [], type }: PluginJson): boolean =>
  (backend || routes.length > 0) && (type === 'app' || type === 'datasource')

/** Left: what is wrong with it. */
const programOf = ({ backend, executable = '' }: PluginJson): E.Either<string, string | undefined> => {
  if (backend !== true) return E.right(undefined)
  if (executable === '') return E.left('expected "executable", as "backend" is true, got nothing')
  return isInside(executable)
    ? E.right(executable)
    : E.left(`expected "executable" inside the plugin's directory, got "${executable}"`)
}

/**
 * Finds the plugins below a directory that have a backend, or routes for the datasource proxy. Whatever is wrong with one of them is a warning that names its file, and costs the
 * others nothing. Source: manager/loader/finder/local.go of Grafana.
 */
export const findPlugins = (root: string, logger: Logger): ReadonlyArray<FoundPlugin> => {
  const found = new Map<string, FoundPlugin>()
  for (const file of findFiles(root, logger)) {
    const skip = (cause: string): void => {
      logger.warn('skipped a plugin.json', { file, cause })
    }
    const plugin = readPluginJson(file)
    if (E.isLeft(plugin)) {
      skip(plugin.left)
      continue
    }
    const { id, info } = plugin.right
    const other = found.get(id)
    const program = programOf(plugin.right)
    if (!isForHost(plugin.right)) continue
    if (other !== undefined) skip(`plugin "${id}" was found before, in ${other.directory}`)
    else if (E.isLeft(program)) skip(program.left)
    else {
      const directory = join(file, '..')
      const version = info?.version ?? ''
      found.set(id, { id, version, directory, executable: program.right, pluginJson: plugin.right })
    }
  }
  return [...found.values()]
}
