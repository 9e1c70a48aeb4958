// Runs other programs for prepare.js, and says why something cannot be had.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const source = fileURLToPath(new URL('.', import.meta.url))

export class Missing extends Error {}

/** @returns {never} */
export const missing = (name) => {
  throw new Missing(`no ${name}`)
}

export const say = (text) => process.stderr.write(`${text}\n`)

export const run = (program, args, { env = {}, cwd = source, timeoutMs = 30_000 } = {}) => {
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  const reason = error === undefined ? '' : error.code === 'ETIMEDOUT' ? 'killed, it took too long' : error.message
  return { isDone: status === 0, text: stdout ?? '', complaint: `${stderr ?? ''}${reason}`.trim() }
}

export const timed = (what, act) => {
  const begun = performance.now()
  const made = act()
  say(`${what}: ${((performance.now() - begun) / 1000).toFixed(1)} s`)
  return made
}

export const onPath = (name) =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path))
