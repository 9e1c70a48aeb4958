// Fetches programs of Debian's packages. They are laid open in the cache, and not installed.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'

import { Missing, onPath, run, timed } from './prepare-tools.js'

/** The path of a program of a package. Shape of `program`: `usr/bin/prometheus`. */
export const fetchDebian = (cache, name, program) => {
  const made = join(cache, name)
  const path = join(made, program)
  if (existsSync(path)) {
    utimesSync(made, new Date(), new Date())
    return path
  }
  if (onPath('apt-get') === undefined || onPath('dpkg-deb') === undefined)
    throw new Missing(`no ${name}, and no apt-get to fetch it with`)
  const unfinished = `${made}.${process.pid}`
  mkdirSync(join(unfinished, 'whole'), { recursive: true })
  try {
    timed(`fetch of ${name}`, () => {
      const download = () => run('apt-get', ['download', '-q', name], { cwd: unfinished, timeoutMs: 120_000 })
      let { isDone, complaint } = download()
      // the lists of packages may be old, or not there yet
      if (!isDone && process.getuid?.() === 0 && run('apt-get', ['update', '-q'], { timeoutMs: 120_000 }).isDone)
        ({ isDone, complaint } = download())
      if (!isDone) throw new Missing(`no ${name}: ${complaint.split('\n').at(-1)}`)
      const [file = ''] = readdirSync(unfinished).filter((one) => one.endsWith('.deb'))
      const opened = run('dpkg-deb', ['-x', file, 'whole'], { cwd: unfinished, timeoutMs: 120_000 })
      if (!opened.isDone) throw new Missing(`no ${name}: ${opened.complaint}`)
      const kept = join(unfinished, 'kept')
      mkdirSync(join(kept, program, '..'), { recursive: true })
      renameSync(join(unfinished, 'whole', program), join(kept, program))
      renameSync(kept, made)
    })
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
  return path
}
