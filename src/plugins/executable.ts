import { accessSync, constants, statSync } from 'node:fs'
import { isAbsolute, join, normalize, sep } from 'node:path'

/** Where Go's names differ from Node's. */
const goos: Readonly<Record<string, string>> = { win32: 'windows', sunos: 'solaris' }
const goarch: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', mipsel: 'mipsle', loong64: 'loong64' }

export interface Platform {
  readonly platform: string
  readonly arch: string
}

/**
 * File names under which the program of a plugin may lie beside its plugin.json, best first. Shape: `gpx_x_linux_amd64`, `gpx_x`.
 * Grafana knows the first alone; the bare name is for programs that run everywhere, such as scripts.
 */
export const executableNames = (executable: string, { platform, arch }: Platform): ReadonlyArray<string> => {
  const suffix = platform === 'win32' ? '.exe' : ''
  return [`${executable}_${goos[platform] ?? platform}_${goarch[arch] ?? arch}${suffix}`, executable]
}

/** True for a path, such as `dist/gpx_x`, that stays in the directory it is relative to. */
export const isInside = (executable: string): boolean => {
  const path = normalize(executable)
  return path !== '.' && path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path) && !path.includes('\0')
}

const find = (directory: string, names: ReadonlyArray<string>): string | undefined =>
  names.map((name) => join(directory, name)).find((path) => statSync(path, { throwIfNoEntry: false })?.isFile())

/**
 * Absolute path of a plugin's program, looked up at each start as it may have been replaced. Throws when there is none, or one that
 * this process may not run.
 */
export const findExecutable = (directory: string, executable: string, platform: Platform = process): string => {
  const names = executableNames(executable, platform)
  const found = find(directory, names)
  if (found === undefined)
    throw new Error(
      `expected an executable beside plugin.json, found none of ${names.map((name) => `"${name}"`).join(', ')}`,
    )
  try {
    accessSync(found, constants.X_OK)
  } catch (cause) {
    throw new Error(`expected an executable, got a file that may not be run: chmod +x "${found}"`, { cause })
  }
  return found
}

/**
 * Identity of a plugin's program as it is now, links followed: another one says that the file was replaced, or written to. Undefined
 * when there is none.
 */
export const stampOf = (directory: string, executable: string, platform: Platform = process): string | undefined => {
  const found = find(directory, executableNames(executable, platform))
  const stat = found === undefined ? undefined : statSync(found, { bigint: true, throwIfNoEntry: false })
  return stat && [stat.dev, stat.ino, stat.mtimeNs, stat.size].join(':')
}
