import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { basename, dirname, join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { systemClock } from '../../../src/clock.ts'
import { sweepOrphans } from '../../../src/plugins/process/orphans.ts'
import { createRunDirectory } from '../../../src/plugins/process/run-directory.ts'
import { recordingLogger, temporaryDirectory } from '../_setup.ts'
import { abandon } from './_orphans.ts'

const never = new AbortController().signal

/** The directory of a host that lives. */
const live = async (t: ExecutionContext, parent: string): Promise<string> => {
  const directory = createRunDirectory({ XDG_RUNTIME_DIR: parent }, recordingLogger(), systemClock)
  t.teardown(() => directory.close())
  return dirname((await directory.open()).path)
}

test('sweeps up after hosts that are gone, and after nobody else', async (t) => {
  const parent = temporaryDirectory(t)
  const alive = await live(t, parent)

  const dead = await abandon(parent, 'dpa-AAAAAA')
  mkdirSync(join(dead, '0'))
  writeFileSync(join(dead, '0.json'), '{"plugin":')
  writeFileSync(join(dead, '1.json'), '{"plugin":"testds","pid":"1","target":3}')
  const open = await abandon(parent, 'dpa-BBBBBB')
  chmodSync(open, 0o755)
  const other = await abandon(parent, 'dpa-toolong')
  const young = join(parent, 'dpa-CCCCCC')
  mkdirSync(young, { mode: 0o700 })
  const old = join(parent, 'dpa-DDDDDD')
  mkdirSync(old, { mode: 0o700 })
  utimesSync(old, 1, 1)
  writeFileSync(join(parent, 'dpa-EEEEEE'), '')

  const own = await abandon(parent, 'dpa-FFFFFF')
  const logger = recordingLogger()
  await sweepOrphans(parent, own, logger, never)
  t.deepEqual(
    readdirSync(parent).sort(),
    [alive, own, open, other, young, 'dpa-EEEEEE'].map((path) => basename(path)).sort(),
  )
  t.deepEqual(
    logger.lines.map(({ level, fields }) => [level, fields['directory']]).sort(),
    [dead, old].map((path) => ['info', path]),
  )
})

test('asks no stranger to end who listens to the port of a process that is gone', async (t) => {
  const parent = temporaryDirectory(t)
  const dead = await abandon(parent, 'dpa-AAAAAA')
  let connections = 0
  const server = createServer(() => (connections += 1)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  // no system has so many processes
  const record = { plugin: 'testds', pid: 2 ** 30, target: `ipv4:127.0.0.1:${String(port)}` }
  writeFileSync(join(dead, '0.json'), JSON.stringify(record))
  await sweepOrphans(parent, '', recordingLogger(), never)
  t.is(connections, 0)
  t.deepEqual(readdirSync(parent), [])
})

test('keeps no start waiting for a plugin that does not end, nor the end of its own host', async (t) => {
  const parent = temporaryDirectory(t)
  const dead = await abandon(parent, 'dpa-AAAAAA')
  const sockets: Array<Socket> = []
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined).resume())
  })
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  mkdirSync(join(dead, '0'))
  server.listen(join(dead, '0', 'plugin1'))
  await once(server, 'listening')
  const logger = recordingLogger()
  const directory = createRunDirectory({ XDG_RUNTIME_DIR: parent }, logger, systemClock)
  t.teardown(() => directory.close())
  const { path } = await directory.open()
  t.true(existsSync(path))
  // it is asked whether anybody is there, and then to end
  while (sockets.length < 2) await once(server, 'connection')
  await directory.close()
  t.deepEqual(readdirSync(parent), [basename(dead)])
  t.deepEqual(logger.lines, [])
})
