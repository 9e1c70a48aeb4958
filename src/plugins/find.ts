import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { parsePluginJson, type PluginJson } from '../api/plugin-json.ts'
import { describeCauses } from '../decode.ts'
import { E } from '../fp.ts'
import type { Logger } from '../logger.ts'
import { isInside } from './executable.ts'

/** A plugin with a program to run. */
export interface FoundPlugin {
  readonly id: string
  readonly version: string
  /** Of its plugin.json; absolute. */
  readonly directory: string
  /** Relative to `directory`, without platform. */
  readonly executable: string
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

const hasBackend = ({ backend, type }: PluginJson): boolean =>
  backend === true && (type === 'app' || type === 'datasource')

/**
 * Finds the backend plugins below a directory. Whatever is wrong with one of them is a warning that names its file, and costs the
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
    const { id, executable, info } = plugin.right
    const other = found.get(id)
    if (!hasBackend(plugin.right)) continue
    if (other !== undefined) skip(`plugin "${id}" was found before, in ${other.directory}`)
    else if (executable === undefined || executable === '')
      skip('expected "executable", as "backend" is true, got nothing')
    else if (!isInside(executable)) skip(`expected "executable" inside the plugin's directory, got "${executable}"`)
    else
      found.set(id, {
        id,
        version: info?.version ?? '',
        directory: join(file, '..'),
        executable,
        pluginJson: plugin.right,
      })
  }
  return [...found.values()]
}
