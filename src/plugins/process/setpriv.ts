import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'

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

/** There may be enough another time, so it says nothing of the program. */
const isShortage = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /^(?:EAGAIN|EMFILE|ENFILE|ENOMEM)$/.test(String(error.code))

/** Lets it run itself: the one of busybox does not know the option, and a sandbox may not let it have its way. */
const works = async (setpriv: string): Promise<boolean> => {
  try {
    await promisify(execFile)(setpriv, [...dieWithParent, setpriv, '--help'], { timeout: checkTimeoutMs })
    return true
  } catch (error) {
    if (isShortage(error)) throw error
    return false
  }
}

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

/**
 * How to call a program so that it dies with this process, as file and arguments; undefined: there is no way. Looked for once. Rejects
 * when it cannot be told now.
 */
export const dyingWithHost = async (program: string): Promise<readonly [string, ReadonlyArray<string>] | undefined> => {
  try {
    const setpriv = await (found ??= look())
    return setpriv === undefined ? undefined : [setpriv, [...dieWithParent, program]]
  } catch (error) {
    found = undefined
    throw error
  }
}
