import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { E } from '../../../src/fp.ts'
import type { QueryDataResponse } from '../../../src/plugin.ts'
import { createAnswerBudget } from '../../../src/plugins/answer-budget.ts'
import { toSettings, type PluginDirectoryOptions } from '../../../src/plugins/options.ts'
import { createIdentity } from '../../../src/plugins/process/certificate.ts'
import type { Child } from '../../../src/plugins/process/child.ts'
import { systemClock } from '../../../src/clock.ts'
import { pluginEnvironment } from '../../../src/plugins/process/environment.ts'
import { sweepOrphans } from '../../../src/plugins/process/orphans.ts'
import { StartFailure, type Peer } from '../../../src/plugins/process/peer.ts'
import { createRunDirectory } from '../../../src/plugins/process/run-directory.ts'
import { createSecrets } from '../../../src/plugins/process/secrets.ts'
import { dyingWithHost } from '../../../src/plugins/process/setpriv.ts'
import { startProcess, type StartOptions } from '../../../src/plugins/process/start.ts'
import {
  isAlive,
  nodePlugin,
  query,
  recordingLogger,
  settle,
  temporaryDirectory,
  within,
  writeScript,
} from '../_setup.ts'
import { abandon } from './_orphans.ts'

// all sockets of this file, and nobody else's
const parent = mkdtempSync(join(tmpdir(), 'run-'))
process.env['XDG_RUNTIME_DIR'] = parent
const runDirectory = createRunDirectory({ XDG_RUNTIME_DIR: parent }, recordingLogger(), systemClock)
/** What is there of processes. */
const remains = (): ReadonlyArray<string> =>
  readdirSync(parent, { recursive: true })
    .map(String)
    .filter((name) => name.includes('/') && !name.endsWith('/host'))
test.after.always('leaves no socket behind', async (t) => {
  t.deepEqual(remains(), [])
  await runDirectory.close()
  t.deepEqual(readdirSync(parent), [])
  rmSync(parent, { recursive: true })
})

/** Remembers who was in it. */
class Remembering extends Set<Child> {
  readonly pids: Array<number> = []
  override add(child: Child): this {
    if (child.process.pid !== undefined) this.pids.push(child.process.pid)
    return super.add(child)
  }
}

interface Setup extends Omit<PluginDirectoryOptions, 'settings'> {
  readonly settings?: Readonly<Record<string, string>>
  readonly findExecutable?: () => string
  readonly environment?: StartOptions['environment']
  readonly secrets?: ReadonlyArray<string>
}

const pluginId = 'testds'

const setUp = (t: ExecutionContext, script: string, { settings = {}, ...rest }: Setup = {}) => {
  const path = writeScript(temporaryDirectory(t), 'run', script)
  const logger = recordingLogger()
  const running = new Remembering()
  const {
    findExecutable = () => path,
    environment = (handshake) => pluginEnvironment({ host: process.env, env: {}, settings, ...handshake }),
    secrets = [],
    ...options
  } = rest
  const startOptions: StartOptions = {
    pluginId,
    findExecutable,
    environment,
    settings: toSettings({ logger, receiveLimitBytes: 1024 * 1024, startTimeoutMs: 20_000, ...options }),
    answerBudget: createAnswerBudget(1024 * 1024 * 1024),
    secrets: createSecrets(secrets),
    runDirectory,
    running,
  }
  t.teardown(() => {
    for (const child of running) child.kill()
  })
  let suspicions = 0
  const suspect = (): void => {
    suspicions += 1
  }
  return {
    start: (signal = new AbortController().signal) => startProcess(startOptions, signal, suspect),
    suspicions: () => suspicions,
    logger,
    running,
    path,
  }
}

const silence = 'exec sleep 30'

const badStarts: ReadonlyArray<readonly [string, string, Setup, string | RegExp, object]> = [
  ['ends well without a line', 'echo why >&2', {}, 'exited before it served', { code: 0, stderr: 'why\n' }],
  ['ends badly without a line', 'exit 3', {}, 'exited before it served', { code: 3 }],
  [
    'ends right after its line',
    'echo "1|2|unix|/tmp/none|grpc|"',
    {},
    /exited before it served|health check/,
    { error: undefined },
  ],
  [
    'says nothing',
    silence,
    { startTimeoutMs: 200 },
    'did not start within 200 ms (option plugins.startTimeoutMs)',
    { signal: 'SIGKILL' },
  ],
  [
    'makes a noise first',
    `echo hello; echo "1|2|unix|/tmp/p|grpc|"; ${silence}`,
    {},
    'handshake: expected a line such as "1|2|unix|/path/of/socket|grpc|", got "hello"',
    { signal: 'SIGKILL' },
  ],
  [
    'speaks another version',
    `echo "1|3|unix|/tmp/p|grpc|"; ${silence}`,
    {},
    'handshake: expected plugin protocol version 2, got "3"',
    { signal: 'SIGKILL' },
  ],
  [
    'prints a flood for a line',
    `head -c 1000000 /dev/zero | tr '\\0' x; ${silence}`,
    {},
    /^handshake: expected a line such as .*, got "x{200}…"$/,
    { signal: 'SIGKILL' },
  ],
  [
    'names a socket where nobody listens',
    `echo "1|2|unix|$XDG_RUNTIME_DIR/none|grpc|"; ${silence}`,
    {},
    /^health check: .*connect ENOENT/,
    { signal: 'SIGKILL' },
  ],
  [
    'says that it does not serve',
    nodePlugin,
    { settings: { health: '2' } },
    'health check: it answers but says that it does not serve',
    { signal: 'SIGKILL' },
  ],
]

for (const [what, script, setup, message, exit] of badStarts) {
  test(`fails and leaves nothing behind when a plugin ${what}`, async (t) => {
    const { start, running } = setUp(t, script, setup)
    const error = await t.throwsAsync(start(), { instanceOf: StartFailure, message })
    t.like(error, { exit })
    t.is(running.size, 0)
    t.deepEqual(running.pids.filter(isAlive), [])
  })
}

test('fails when there is no program any more', async (t) => {
  const { start, running } = setUp(t, silence, { findExecutable: () => '/nowhere/at/all', dieWithHost: false })
  const error = await t.throwsAsync(start(), { instanceOf: StartFailure, message: 'spawn /nowhere/at/all ENOENT' })
  t.like(error, { exit: { code: null, error: { code: 'ENOENT' } } })
  t.is(running.size, 0)
})

test('leaves no directory behind when Node cannot even try', async (t) => {
  const { start, running } = setUp(t, silence, {
    // longer than any system takes: spawn throws E2BIG
    environment: () => ({ BIG: 'x'.repeat(8 * 1024 * 1024) }),
  })
  await t.throwsAsync(start(), { code: 'E2BIG' })
  t.is(running.size, 0)
})

const sumOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

test('never runs another program than the one that was pinned', async (t) => {
  const trace = join(temporaryDirectory(t), 'trace')
  const { start, path, running } = setUp(t, `touch ${trace}`, { sha256: { [pluginId]: 'A'.repeat(64) } })
  await t.throwsAsync(start(), {
    message: `expected the program of plugin "testds" to have SHA-256 "${'a'.repeat(64)}", got "${sumOf(path)}"`,
  })
  t.deepEqual(running.pids, [])
})

test('kills a plugin that starts when the host closes, and starts none after that', async (t) => {
  const { start, running } = setUp(t, silence)
  const controller = new AbortController()
  const started = start(controller.signal)
  while (running.size === 0) await settle()
  controller.abort()
  await t.throwsAsync(started, { instanceOf: StartFailure, message: 'stopped while it started' })
  await t.throwsAsync(start(controller.signal), { message: 'stopped while it started' })
  t.is(running.pids.length, 1)
  t.deepEqual(running.pids.filter(isAlive), [])
})

const jsonOf = (result: E.Either<unknown, QueryDataResponse>): unknown =>
  E.isRight(result) ? JSON.parse(Buffer.from(result.right.responses.get('A')?.frames[0] ?? []).toString()) : result

test('runs a plugin: calls, logs, environment, end', async (t) => {
  const { start, logger, running } = setUp(t, nodePlugin, { settings: { max_rows: '7', stdio: 'flood' } })
  const plugin = await start()
  const ask = (type: string, maxDataPoints?: number, json?: string) =>
    plugin.client.queryData(query(type, maxDataPoints, json), within(10_000))()

  t.deepEqual(jsonOf(await ask('', 1, '{"expr":"up"}')), { expr: 'up' })
  await ask('log')
  await logger.find(({ level, message, fields }) => level === 'info' && message === 'asked' && fields['n'] === 1)
  await logger.find(({ level, message }) => level === 'debug' && message === 'printed by the plugin')
  t.like(jsonOf(await ask('environment')), { GF_PLUGIN_MAX_ROWS: '7', PLUGIN_PROTOCOL_VERSIONS: '2' })
  t.like(await ask('fail'), { left: { _tag: 'PluginFailed', cause: 'UNKNOWN (2): no such table' } })
  t.like(await ask('big', 2_000_000), { left: { _tag: 'BadPlugin' } })
  t.like(await ask('', 1, 'x'.repeat(17 * 1024 * 1024)), {
    left: { _tag: 'BodyTooLarge', limitBytes: 16 * 1024 * 1024 },
  })
  t.true(E.isRight(await ask('flood')))
  t.true(logger.lines.every(({ message }) => message.length <= 64 * 1024))
  t.true(E.isRight(await ask('')))

  t.deepEqual(running.pids.filter(isAlive), [plugin.pid ?? 0])
  await plugin.stop()
  t.like(await plugin.ended, { code: 0, signal: null })
  t.deepEqual(running.pids.filter(isAlive), [])
  t.like(await ask(''), { left: { _tag: 'PluginUnavailable' } })
})

test('drops what a plugin logs too much, and tells how many lines', async (t) => {
  const { start, logger } = setUp(t, nodePlugin)
  const plugin = await start()
  await plugin.client.queryData(query('chatter'), within(10_000))()
  await plugin.stop()
  await plugin.ended
  const logged = logger.lines.filter(({ message }) => message === 'x').length
  const dropped = logger.lines
    .map(({ fields }) => Number(fields['dropped'] ?? 0))
    .reduce((sum, count) => sum + count, 0)
  // what it printed by way of gRPC counts too
  t.true(logged + dropped >= 3000)
  t.true(dropped > 0)
})

test('runs a pinned program that speaks TLS, with itself alone', async (t) => {
  const { key, certificate } = await createIdentity()
  const path = writeScript(temporaryDirectory(t), 'pinned', nodePlugin)
  const { start } = setUp(t, silence, {
    findExecutable: () => path,
    sha256: { [pluginId]: sumOf(path).toUpperCase() },
    autoMTLS: true,
    settings: { tls_key: key, tls_cert: certificate },
  })
  const plugin = await start()
  t.deepEqual(jsonOf(await plugin.client.queryData(query('', 1, '{"a":1}'), within(10_000))()), { a: 1 })
  t.is(await plugin.ping(10_000), undefined)
  t.is('tls' in recordOf(plugin), (await dyingWithHost(path)) === undefined)
  await plugin.stop()
  t.like(await plugin.ended, { code: 0 })
})

/** What the next host would read of it. */
const recordOf = ({ pid }: Peer): object => {
  const records = readdirSync(parent, { recursive: true, withFileTypes: true }).filter(({ name }) =>
    /^\w+\.json$/.test(name),
  )
  for (const { parentPath, name } of records) {
    const path = join(parentPath, name)
    // those of other tests come and go
    const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
    if (text.includes(`"pid":${String(pid)},`)) return JSON.parse(text) as object
  }
  throw new Error('no record')
}

test('writes its key down for a plugin that outlives its host, and the next host ends it with that', async (t) => {
  const { key, certificate } = await createIdentity()
  const { start } = setUp(t, nodePlugin, {
    autoMTLS: true,
    dieWithHost: false,
    settings: { tls_key: key, tls_cert: certificate },
  })
  const plugin = await start()
  const next = temporaryDirectory(t)
  const directory = await abandon(next, 'dpa-AAAAAA')
  writeFileSync(join(directory, '0.json'), JSON.stringify(recordOf(plugin)))
  const logger = recordingLogger()
  await sweepOrphans(next, '', logger, new AbortController().signal)
  t.deepEqual(
    logger.lines.map(({ message }) => message),
    ['ended a plugin whose host was gone', 'swept up after a host of plugins that is gone'],
  )
  t.like(await plugin.ended, { code: 0, signal: null })
  t.deepEqual(readdirSync(next), [])
  t.false(JSON.stringify(logger.lines).includes('PRIVATE KEY'))
})

test('refuses a plugin that speaks plain text although it was asked for TLS', async (t) => {
  const { start } = setUp(t, `echo "1|2|unix|/tmp/p|grpc|"; ${silence}`, { autoMTLS: true })
  await t.throwsAsync(start(), { instanceOf: StartFailure, message: /^handshake: expected a TLS certificate \(option/ })
})

test('ends all running calls when the process crashes', async (t) => {
  const { start, logger } = setUp(t, `echo last words of hunter2 >&2; ${nodePlugin}`, { secrets: ['hunter2'] })
  const plugin = await start()
  const ask = (type: string) => plugin.client.queryData(query(type), within(60_000))()
  const hanging = ask('hang')
  t.like(await ask('crash'), { left: { _tag: 'PluginUnavailable' } })
  t.like(await hanging, { left: { _tag: 'PluginUnavailable' } })
  t.deepEqual(await plugin.ended, { code: 7, signal: null, stderr: 'last words of hunter2\n' })
  t.true(logger.lines.some(({ message }) => message === 'last words of [redacted]'))
})

test('stops a plugin that answers Shutdown', async (t) => {
  const plugin = await setUp(t, nodePlugin, { settings: { shutdown: 'reply' } }).start()
  await plugin.stop()
  t.like(await plugin.ended, { code: 0 })
})

test('kills a plugin that ignores Shutdown, after the grace', async (t) => {
  const { start, running } = setUp(t, nodePlugin, { settings: { shutdown: 'never' }, stopGraceMs: 200 })
  const plugin = await start()
  const hanging = plugin.client.queryData(query('hang'), within(60_000))()
  await plugin.stop()
  t.like(await plugin.ended, { code: null, signal: 'SIGKILL' })
  t.like(await hanging, { left: { _tag: 'PluginUnavailable' } })
  t.deepEqual(running.pids.filter(isAlive), [])
})

test('does not wait for a grandchild that holds the pipes', async (t) => {
  const plugin = await setUp(t, nodePlugin).start()
  const result = await plugin.client.queryData(query('grandchild'), within(10_000))()
  const grandchild = E.isRight(result) ? (result.right.responses.get('A')?.status ?? 0) : 0
  t.true(grandchild > 0)
  t.teardown(() => {
    process.kill(grandchild, 'SIGKILL')
  })
  await plugin.stop()
  t.like(await plugin.ended, { code: 0 })
  t.true(isAlive(grandchild))
})

test('suspects a process that lives but cannot be reached any more, and ends it when told to', async (t) => {
  const { start, suspicions } = setUp(t, nodePlugin)
  const plugin = await start()
  await plugin.client.queryData(query('unlink'), within(10_000))()
  const kind = async (): Promise<string | undefined> => (await plugin.ping(10_000))?.kind
  while ((await kind()) !== 'unreachable') await settle()
  t.true(suspicions() > 0)
  t.true(isAlive(plugin.pid ?? 0))
  plugin.kill()
  t.like(await plugin.ended, { signal: 'SIGKILL' })
})

test('starts a program that needs a while', async (t) => {
  const plugin = await setUp(t, nodePlugin, { settings: { start_delay_ms: '200' } }).start()
  t.is(typeof plugin.pid, 'number')
  await plugin.stop()
})

test('takes a file that is no program for one that exits', async (t) => {
  const path = join(temporaryDirectory(t), 'run')
  writeFileSync(path, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0, 0]))
  chmodSync(path, 0o755)
  const { start } = setUp(t, silence, { findExecutable: () => path })
  await t.throwsAsync(start(), { instanceOf: StartFailure, message: 'exited before it served' })
})
