// Finds a Prometheus, or fetches Debian's.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'

import { Missing, onPath, run, timed } from './prepare-tools.js'

/** The one of this machine, or Debian's package, laid open in the cache and not installed. */
export const findPrometheus = (cache) => {
  const installed = onPath('prometheus')
  if (installed !== undefined) return installed
  const made = join(cache, 'prometheus')
  const program = join(made, 'usr/bin/prometheus')
  if (existsSync(program)) {
    utimesSync(made, new Date(), new Date())
    return program
  }
  if (onPath('apt-get') === undefined || onPath('dpkg-deb') === undefined)
    throw new Missing('no prometheus on the PATH, and no apt-get to fetch it with')
  const unfinished = `${made}.${process.pid}`
  mkdirSync(unfinished, { recursive: true })
  try {
    timed('fetch of prometheus', () => {
      const download = () => run('apt-get', ['download', '-q', 'prometheus'], { cwd: unfinished, timeoutMs: 120_000 })
      let { isDone, complaint } = download()
      // the lists of packages may be old, or not there yet
      if (!isDone && process.getuid?.() === 0 && run('apt-get', ['update', '-q'], { timeoutMs: 120_000 }).isDone)
        ({ isDone, complaint } = download())
      if (!isDone) throw new Missing(`no prometheus: ${complaint.split('\n').at(-1)}`)
      const [file = ''] = readdirSync(unfinished).filter((name) => name.endsWith('.deb'))
      const opened = run('dpkg-deb', ['-x', file, '.'], { cwd: unfinished, timeoutMs: 120_000 })
      if (!opened.isDone) throw new Missing(`no prometheus: ${opened.complaint}`)
      for (const other of [file, 'usr/bin/promtool', 'usr/share', 'var', 'etc', 'lib'])
        rmSync(join(unfinished, other), { recursive: true, force: true })
      renameSync(unfinished, made)
    })
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
  return program
}
