import { once } from 'node:events'
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { createRunDirectory } from '../../../src/plugins/process/run-directory.ts'
import { createManualClock, recordingLogger, temporaryDirectory } from '../_setup.ts'

// others sweep the shared one
const temporary = mkdtempSync(join(tmpdir(), 'run-'))
process.env['TMPDIR'] = temporary
test.after.always(() => {
  rmSync(temporary, { recursive: true })
})

const setUp = (t: ExecutionContext, host: Readonly<Record<string, string>>) => {
  const logger = recordingLogger()
  const { clock, advance, timers } = createManualClock()
  const directory = createRunDirectory(host, logger, clock)
  t.teardown(() => directory.close())
  return { directory, logger, advance, timers }
}

const accepts = async (path: string): Promise<boolean> => {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

test('makes nothing before a process needs it, and leaves nothing', async (t) => {
  const parent = temporaryDirectory(t)
  const { directory, timers, logger } = setUp(t, { XDG_RUNTIME_DIR: parent })
  t.deepEqual(readdirSync(parent), [])
  const [first, second] = await Promise.all([directory.open(), directory.open()])
  const own = dirname(first.path)
  t.is(dirname(own), parent)
  t.is(dirname(second.path), own)
  t.not(first.path, second.path)
  for (const path of [own, first.path, second.path]) t.is(statSync(path).mode & 0o777, 0o700)
  t.true(await accepts(join(own, 'host')))

  await first.record({ plugin: 'testds', pid: 1, target: 'ipv4:127.0.0.1:10000' })
  const record = join(own, `${basename(first.path)}.json`)
  t.is(lstatSync(record).mode & 0o777, 0o600)
  writeFileSync(join(first.path, 'socket'), '')
  await first.remove()
  t.deepEqual(readdirSync(own).sort(), [basename(second.path), 'host'])

  await directory.close()
  t.deepEqual(readdirSync(parent), [])
  t.is(timers.size, 0)
  t.deepEqual(logger.lines, [])
  await t.throwsAsync(directory.open(), { message: 'the host is closed' })
})

for (const [what, parent] of [
  ['is missing', '/nowhere/at/all'],
  ['is relative', 'run'],
  ['is empty', ''],
  ['is too long for a socket', join('/', 'x'.repeat(90))],
] as const) {
  test(`falls back to the directory for temporary files when XDG_RUNTIME_DIR ${what}`, async (t) => {
    const { directory } = setUp(t, { XDG_RUNTIME_DIR: parent })
    const { path } = await directory.open()
    t.is(dirname(dirname(path)), temporary)
    t.true(statSync(path).isDirectory())
    t.true(Buffer.byteLength(join(path, 'plugin4294967295')) <= 103)
  })
}

test('makes a new directory when a cleaner removed it, and a new socket when it removed that', async (t) => {
  const parent = temporaryDirectory(t)
  const { directory, logger, timers } = setUp(t, { XDG_RUNTIME_DIR: parent })
  const first = dirname((await directory.open()).path)
  rmSync(first, { recursive: true })
  const process = await directory.open()
  const second = dirname(process.path)
  t.not(second, first)
  rmSync(join(second, 'host'))
  t.is(dirname((await directory.open()).path), second)
  t.true(await accepts(join(second, 'host')))
  t.true(statSync(process.path).isDirectory())
  t.is(timers.size, 1)
  t.deepEqual(
    logger.lines.map(({ level, fields }) => [level, fields]),
    [first, second].map((path) => ['warn', { directory: path }]),
  )
  await directory.close()
  t.deepEqual(readdirSync(parent), [])
})

test('closes though its directory cannot be removed, and says so', async (t) => {
  const parent = join(temporaryDirectory(t), 'run')
  mkdirSync(parent)
  const { directory, logger } = setUp(t, { XDG_RUNTIME_DIR: parent })
  const own = dirname((await directory.open()).path)
  rmSync(parent, { recursive: true })
  writeFileSync(parent, '')
  await directory.close()
  const warnings = logger.lines.map(({ message, fields }) => [message, fields['directory']])
  t.deepEqual(warnings, [['cannot remove the directory of the sockets of plugins', own]])
})

test('keeps its files young, so that cleaners spare them', async (t) => {
  const { directory, advance } = setUp(t, { XDG_RUNTIME_DIR: temporaryDirectory(t) })
  const { path } = await directory.open()
  const socket = join(path, 'plugin1')
  const server = createServer().listen(socket)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const all = [socket, path, dirname(path), join(dirname(path), 'host')]
  for (const file of all) utimesSync(file, 1, 1)
  await advance(3_600_000)
  while (all.some((file) => lstatSync(file).mtimeMs === 1000)) await new Promise((resolve) => setImmediate(resolve))
  for (const file of all) utimesSync(file, 1, 1)
  await advance(3_600_000)
  while (all.some((file) => lstatSync(file).mtimeMs === 1000)) await new Promise((resolve) => setImmediate(resolve))
  t.pass()
})
