import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import test from 'ava'

import { spawnChild } from '../../../src/plugins/process/child.ts'
import { bundleOf } from '../../_setup/bundle-of.ts'
import { isAlive, recordingLogger, settle, temporaryDirectory, writeScript } from '../_setup.ts'

const source = (path: string): string => JSON.stringify(pathToFileURL(bundleOf(path)).href)

test('signals nobody, and takes a program for one that exits with an error, when the host is out of file descriptors', async (t) => {
  const program = join(temporaryDirectory(t), 'host.mjs')
  writeFileSync(
    program,
    `import { openSync } from 'node:fs'
    import { silentLogger as logger } from ${source('src/logger.ts')}
    import { spawnChild } from ${source('src/plugins/process/child.ts')}
    const budget = { take: () => true, end: () => undefined }
    const log = { logger, pluginId: 'testds', budget, secrets: { strike: (text) => text } }
    const options = { file: '/bin/sh', args: [], environment: {}, log, stderrBytes: 100 }
    try {
      for (;;) openSync('/dev/null', 'r')
    } catch {}
    const child = spawnChild(options)
    const signals = []
    child.process.kill = (signal) => signals.push(signal)
    child.kill()
    await child.exited
    const { code, error } = await child.closed
    process.stdout.write(JSON.stringify({ code, error: error.code, signals }))`,
  )
  const stdout = await new Promise<string>((resolve, reject) => {
    const command = `ulimit -n 64; exec '${process.execPath}' '${program}'`
    execFile('/bin/sh', ['-c', command], (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(stderr))
    })
  })
  t.deepEqual(JSON.parse(stdout), { code: null, error: 'EMFILE', signals: [] })
})

test('gives others their turn while a plugin floods its pipes, and keeps the end of what it said', async (t) => {
  const flood = `yes x | head -c 4000000 >&2; echo last >&2`
  const file = writeScript(temporaryDirectory(t), 'run', flood)
  let lines = 0
  const take = (): boolean => {
    lines += 1
    return false
  }
  const environment = { PATH: process.env['PATH'] ?? '' }
  const budget = { take, end: () => undefined }
  const logger = recordingLogger()
  const log = { logger, pluginId: 'testds', budget, secrets: { strike: (text: string) => text } }
  const child = spawnChild({ file, args: [], descriptor: undefined, environment, log, stderrBytes: 7 })
  let mostInATurn = 0
  let isClosed = false
  const closed = child.closed.finally(() => (isClosed = true))
  for (let before = 0; !isClosed; before = lines) {
    await settle()
    mostInATurn = Math.max(mostInATurn, lines - before)
  }
  const { stderr } = await closed
  t.is(lines, 2_000_001)
  t.true(mostInATurn <= 64 * 1024, `${String(mostInATurn)} lines in one turn`)
  t.is(stderr, 'x\nlast\n')
  t.deepEqual(logger.lines, [])
})

/** Not counting a process that is dead and that nobody has asked after yet. */
const isRunning = (pid: number): boolean => {
  if (!isAlive(pid)) return false
  return !existsSync('/proc/self/stat') || !/\) Z /.test(readFileSync(`/proc/${String(pid)}/stat`, 'utf8'))
}

const ways: ReadonlyArray<readonly [way: string, script: string, exit: object]> = [
  ['is killed', 'sleep 300 & echo $!; wait', { code: null, signal: 'SIGKILL' }],
  ['ends by itself', 'sleep 300 & echo $!; exit 3', { code: 3, signal: null }],
]
for (const [way, script, exit] of ways) {
  test(`kills what a program has started when it ${way}`, async (t) => {
    const file = writeScript(temporaryDirectory(t), 'run', script)
    const environment = { PATH: process.env['PATH'] ?? '' }
    const budget = { take: () => true, end: () => undefined }
    const log = { logger: recordingLogger(), pluginId: 'testds', budget, secrets: { strike: (text: string) => text } }
    const child = spawnChild({ file, args: [], descriptor: undefined, environment, log, stderrBytes: 7 })
    const pid = Number(await child.firstLine)
    if (way === 'is killed') child.kill()
    t.like(await child.closed, exit)
    t.false(isRunning(pid))
  })
}
