import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

const checkTimeoutMs = 5_000
/** The kernel sends it to the process when its parent is gone; it stays in force when setpriv becomes the program. */
const dieWithParent = ['--pdeathsig', 'KILL', '--']

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Lets it run itself: the one of busybox does not know the option, and a sandbox may not let it have its way. */
const works = (setpriv: string): Promise<boolean> =>
  new Promise((resolve) => {
    execFile(setpriv, [...dieWithParent, setpriv, '--help'], { timeout: checkTimeoutMs }, (error) => {
      resolve(error === null)
    })
  })

const look = async (): Promise<string | undefined> => {
  if (process.platform !== 'linux') return undefined
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter(isAbsolute)
    .map((directory) => join(directory, 'setpriv'))
    .find(isExecutable)
  return path !== undefined && (await works(path)) ? path : undefined
}

let found: Promise<string | undefined> | undefined

/** How to call a program so that it dies with this process, as file and arguments; undefined: there is no way. Looked for once. */
export const dyingWithHost = async (program: string): Promise<readonly [string, ReadonlyArray<string>] | undefined> => {
  const setpriv = await (found ??= look())
  return setpriv === undefined ? undefined : [setpriv, [...dieWithParent, program]]
}
