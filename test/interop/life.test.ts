import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { ExecutionContext } from 'ava'

import { E } from '../../src/fp.ts'
import type { PluginHost } from '../../src/plugin.ts'
import type { PluginChange } from '../../src/plugin-status.ts'
import type { PluginTls } from '../../src/plugins/address-options.ts'
import { attachedPlugins } from '../../src/plugins/address.ts'
import { pluginDirectory, type PluginDirectoryOptions } from '../../src/plugins/index.ts'
import { isAlive, recordingLogger, within } from '../plugins/_setup.ts'
import {
  asking,
  bad,
  clientOf,
  end,
  fetchResource,
  firstLine,
  freePort,
  good,
  installPlugin,
  pluginFolder,
  programOf,
  queryOf,
  replaceProgram,
  resourceOf,
  run,
  runtimeDirectory,
  soon,
  statusOf,
  testWith,
  until,
  untilStatus,
  type ProgramName,
} from './_setup.ts'

const withGo = testWith('go')
const id = 'interop'

interface Seen {
  readonly build: string
  readonly pid: number
  readonly environment: Readonly<Record<string, string>>
}

/** What the plugin tells of itself. */
const see = async (host: PluginHost): Promise<Seen> => {
  const { text } = await fetchResource(clientOf(host, id), resourceOf(id, 'echo'))
  return (JSON.parse(text) as { readonly context: Seen }).context
}

const ask = (host: PluginHost, queryType: string, json = '{}') =>
  clientOf(host, id).queryData(asking(id, [queryOf('A', queryType, { json: Buffer.from(json) })]), soon())

const start = (t: ExecutionContext, options: PluginDirectoryOptions = {}, program: ProgramName = 'plugin') => {
  const root = pluginFolder()
  const path = installPlugin(root, id, program)
  const logger = recordingLogger()
  const host = pluginDirectory(root, { logger, startWaitMs: 20_000, backoff: { initialMs: 50 }, ...options })
  t.teardown(() => host.close())
  return { root, path, host, logger }
}

const isReady =
  (startCount: number) =>
  ({ state, startCount: count }: { readonly state: string; readonly startCount: number }): boolean =>
    state === 'ready' && count === startCount

withGo('starts a plugin again that dies, and tells what it died of', async (t) => {
  const { host, logger } = start(t)
  const first = await see(host)
  t.is((await bad(ask(host, 'die')))._tag, 'PluginUnavailable')
  const second = await untilStatus(host, id, isReady(2))
  t.like(second.lastExit, { pid: first.pid, code: 2, signal: null })
  t.regex(second.lastExit?.stderr ?? '', /^panic: a goroutine panicked$/m)
  t.regex(second.lastExit?.stderr ?? '', /^goroutine \d+ \[running\]:$/m)
  t.is((await logger.find(({ message }) => message === 'panic: a goroutine panicked')).level, 'error')
  t.not((await see(host)).pid, first.pid)

  t.is((await bad(ask(host, 'exit')))._tag, 'PluginUnavailable')
  t.like((await untilStatus(host, id, isReady(3))).lastExit, { code: 7, signal: null })
  const { pid } = await see(host)
  process.kill(pid, 'SIGKILL')
  t.like((await untilStatus(host, id, isReady(4))).lastExit, { pid, code: null, signal: 'SIGKILL' })
  const { pid: last } = await see(host)
  t.is(statusOf(host, id).pid, last)

  await host.close()
  t.like(statusOf(host, id), { state: 'stopped', lastExit: { pid: last, code: 0, signal: null } })
  t.deepEqual([first.pid, pid, last].filter(isAlive), [])
  t.deepEqual(readdirSync(runtimeDirectory), [])
})

withGo('notices a plugin that stands still, and one that goes on', async (t) => {
  const probe = { intervalMs: 50, timeoutMs: 1_000, failures: 1, restartAfter: 1_000 }
  const { host } = start(t, { probe })
  const { pid } = await see(host)
  process.kill(pid, 'SIGSTOP')
  t.teardown(() => {
    if (isAlive(pid)) process.kill(pid, 'SIGCONT')
  })
  await untilStatus(host, id, ({ state }) => state === 'unhealthy')
  t.is((await bad(ask(host, 'no-frames')))._tag, 'PluginUnavailable')
  process.kill(pid, 'SIGCONT')
  await untilStatus(host, id, ({ state }) => state === 'ready')
  t.is((await see(host)).pid, pid)
})

withGo('starts a plugin again that stands still for too long', async (t) => {
  const { host } = start(t, { probe: { intervalMs: 50, timeoutMs: 1_000, failures: 1, restartAfter: 2 } })
  const { pid } = await see(host)
  process.kill(pid, 'SIGSTOP')
  const { lastExit } = await untilStatus(host, id, isReady(2))
  t.like(lastExit, { pid, signal: 'SIGKILL' })
  t.not((await see(host)).pid, pid)
})

withGo('replaces a plugin under load, and loses no call', async (t) => {
  const { host, path } = start(t, { probe: { intervalMs: 50 }, drainMs: 20_000 })
  const first = await see(host)
  t.is(first.build, '1')
  const changes: Array<PluginChange> = []
  host.watch((change) => changes.push(change))

  const slow = good(ask(host, 'slow', '{"ms":2000}'))
  let isReplaced = false
  let calls = 0
  const caller = async (): Promise<void> => {
    for (let after = 0; after < 20; after += isReplaced ? 1 : 0) {
      isReplaced ||= (await see(host)).build === '2'
      const answer = await ask(host, 'rows')()
      if (E.isLeft(answer)) t.fail(JSON.stringify(answer.left))
      calls += 1
    }
  }
  const callers = Promise.all(Array.from({ length: 8 }, caller))
  replaceProgram('plugin-2', path)
  await callers
  t.is((await slow).responses.size, 1)
  t.true(calls >= 8 * 20)
  const second = await see(host)
  t.is(second.build, '2')
  t.deepEqual(
    changes.map(({ from, to }) => [from, to.state, to.pid]),
    [['ready', 'ready', second.pid]],
  )
  // it ends when its last call has
  await until(() => statusOf(host, id).lastExit !== undefined)
  t.false(isAlive(first.pid))
  t.like(statusOf(host, id), { state: 'ready', startCount: 2, lastExit: { pid: first.pid, code: 0, signal: null } })
})

withGo('runs the program whose sum it was told, and no other', async (t) => {
  const sum = createHash('sha256')
    .update(readFileSync(programOf('plugin')))
    .digest('hex')
  const { host, path } = start(t, { sha256: { [id]: sum }, probe: { intervalMs: 50 } })
  t.is((await see(host)).build, '1')
  replaceProgram('plugin-2', path)
  await until(() => statusOf(host, id).lastError !== undefined)
  t.regex(statusOf(host, id).lastError ?? '', /SHA-256/)
  t.like(statusOf(host, id), { state: 'ready' })
  t.is((await see(host)).build, '1')
})

for (const program of ['plugin', 'plugin-sdk2023'] as const) {
  withGo(`speaks TLS with ${program}, both sides by certificates made for it`, async (t) => {
    const { host } = start(t, { autoMTLS: true }, program)
    const { environment } = await see(host)
    t.regex(environment['PLUGIN_CLIENT_CERT'] ?? '', /^-----BEGIN CERTIFICATE-----\n/)
    t.is((await good(ask(host, 'frames'))).responses.get('A')?.frames.length, 3)
    // printed lines come by TLS as well
    t.is((await fetchResource(clientOf(host, id), resourceOf(id, 'print/200'))).text, 'done')
    await host.close()
    t.like(statusOf(host, id).lastExit, { code: 0, signal: null })
  })
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => {
      resolve(false)
    })
  })

/**
 * Runs a plugin as its developer does under a debugger. It looks for other processes of its name to kill, which without a PATH it
 * cannot find.
 */
const standalone = async (t: ExecutionContext, program: string, port: number) => {
  const child = run(t, program, ['-standalone'], {
    cwd: dirname(program),
    stdio: 'ignore',
    env: { PATH: '', GF_PLUGIN_GRPC_ADDRESS_INTEROP: `127.0.0.1:${String(port)}` },
  })
  await until(() => listens(port))
  return child
}

withGo('attaches a plugin under a debugger, again and again', async (t) => {
  const program = installPlugin(pluginFolder(), id, 'plugin')
  const port = await freePort()
  const first = await standalone(t, program, port)
  const address = readFileSync(join(dirname(program), 'standalone.txt'), 'utf8')
  t.is(address, `127.0.0.1:${String(port)}`)
  const host = attachedPlugins(
    { [id]: { address } },
    { startWaitMs: 20_000, backoff: { initialMs: 50, maxMs: 100 }, probe: { intervalMs: 100 } },
  )
  t.teardown(() => host.close())
  t.is((await see(host)).pid, first.pid)
  t.is((await good(ask(host, 'frames'))).responses.size, 1)
  t.is((await bad(ask(host, 'panic')))._tag, 'PluginFailed')

  await end(first, 'SIGTERM')
  await untilStatus(host, id, ({ state }) => state !== 'ready')
  t.is(
    (await bad(clientOf(host, id).queryData(asking(id, [queryOf('A', 'rows')]), within(200))))._tag,
    'PluginUnavailable',
  )
  const second = await standalone(t, program, port)
  await untilStatus(host, id, ({ state }) => state === 'ready')
  t.is((await see(host)).pid, second.pid)
  await host.close()
  t.is(second.exitCode, null)
})

withGo('is led by the installed plugin to the one under a debugger', async (t) => {
  const root = pluginFolder()
  const program = installPlugin(root, id, 'plugin')
  const debugged = await standalone(t, program, await freePort())
  const host = pluginDirectory(root, { startWaitMs: 20_000, stopGraceMs: 200 })
  t.teardown(() => host.close())
  t.is((await see(host)).pid, debugged.pid)
  // the guide is our process, and has nothing to tell
  const guide = statusOf(host, id).pid ?? 0
  t.not(guide, debugged.pid)
  await host.close()
  t.false(isAlive(guide))
})

/** Starts a plugin as another host would, and describes it as go-plugin does. */
const strange = async (t: ExecutionContext) => {
  const child = run(t, programOf('plugin'), [], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { grafana_plugin_type: 'datasource', PLUGIN_PROTOCOL_VERSIONS: '2', TMPDIR: pluginFolder() },
  })
  const [, , , path = ''] = (await firstLine(child)).split('|')
  const reattach = {
    Protocol: 'grpc',
    ProtocolVersion: 2,
    Pid: child.pid,
    Addr: { Network: 'unix', String: path },
  } as const
  return { child, reattach }
}

withGo('takes over a plugin of another host, and ends it', async (t) => {
  const { child, reattach } = await strange(t)
  const exited = once(child, 'exit')
  const logger = recordingLogger()
  const host = attachedPlugins({ [id]: { reattach } }, { logger })
  t.teardown(() => host.close())
  t.is((await see(host)).pid, child.pid)
  await fetchResource(clientOf(host, id), resourceOf(id, 'log'))
  await logger.find(({ message }) => message === 'printed to stdout')
  await host.close()
  t.deepEqual(await exited, [0, null])
})

withGo('leaves a plugin to the test that runs it', async (t) => {
  const { child, reattach } = await strange(t)
  const host = attachedPlugins({ [id]: { reattach: { ...reattach, Test: true } } })
  t.teardown(() => host.close())
  t.is((await see(host)).pid, child.pid)
  await host.close()
  const again = attachedPlugins({ [id]: { reattach: { ...reattach, Test: true } } })
  t.teardown(() => again.close())
  t.is((await see(again)).pid, child.pid)
  await again.close()
  t.is(child.exitCode, null)
})

/** A host in a process of its own, and the pid of its plugin. */
const hostProcess = async (t: ExecutionContext, root: string, options: PluginDirectoryOptions) => {
  const script = fileURLToPath(new URL('./_host.ts', import.meta.url))
  const child = run(t, process.execPath, ['--import', 'tsx', script, root, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const pid = Number(await firstLine(child))
  t.true(isAlive(pid))
  return { child, pid }
}

/** All there is of the hosts of plugins. Shape: `dpa-AAAAAA/0/plugin123`, `dpa-AAAAAA/0.json`. */
const runtimeFiles = (): ReadonlyArray<string> => readdirSync(runtimeDirectory, { recursive: true }).map(String)

testWith('go', 'setpriv')('leaves no plugin behind when its host is killed, nor a key', async (t) => {
  const root = pluginFolder()
  installPlugin(root, id, 'plugin')
  const { child, pid } = await hostProcess(t, root, { autoMTLS: true })
  const records = runtimeFiles().filter((name) => name.endsWith('.json'))
  t.is(records.length, 1)
  const record = readFileSync(join(runtimeDirectory, records[0] ?? ''), 'utf8')
  t.false(record.includes('PRIVATE KEY'))
  await end(child)
  await until(() => !isAlive(pid))
  t.false(isAlive(pid))
})

/** How to speak to the plugin that another host left behind. */
const visit = (path: string, autoMTLS: boolean): PluginHost => {
  if (!autoMTLS)
    return attachedPlugins({
      [id]: { reattach: { Protocol: 'grpc', Test: true, Addr: { Network: 'unix', String: path } } },
    })
  const { target, tls } = JSON.parse(readFileSync(`${dirname(path)}.json`, 'utf8')) as {
    readonly target: string
    readonly tls: PluginTls
  }
  return attachedPlugins({ [id]: { address: target, tls } })
}

for (const autoMTLS of [false, true]) {
  withGo(`ends what the last host left behind${autoMTLS ? ', which speaks TLS' : ''}`, async (t) => {
    const { root, host: own } = start(t)
    await own.close()
    t.deepEqual(readdirSync(runtimeDirectory), [])
    const { child, pid } = await hostProcess(t, root, { dieWithHost: false, autoMTLS })
    await end(child)
    t.teardown(() => {
      if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    })
    const sockets = runtimeFiles().filter((name) => /\/plugin\d+$/.test(name))
    t.is(sockets.length, 1)
    const path = join(runtimeDirectory, sockets[0] ?? '')
    const visitor = visit(path, autoMTLS)
    t.teardown(() => visitor.close())
    // its host is gone, and it goes on; a call would make it log, and nobody reads that any more, of which it would die
    await untilStatus(visitor, id, ({ state }) => state === 'ready')
    await visitor.close()
    t.true(isAlive(pid))

    const logger = recordingLogger()
    const next = pluginDirectory(root, { startWaitMs: 20_000, logger })
    t.teardown(() => next.close())
    t.not((await see(next)).pid, pid)
    await logger.find(({ message }) => message === 'swept up after a host of plugins that is gone')
    await until(() => !isAlive(pid))
    t.false(existsSync(path))
    t.false(JSON.stringify(logger.lines).includes('PRIVATE KEY'))
    await next.close()
    t.deepEqual(readdirSync(runtimeDirectory), [])
  })
}
