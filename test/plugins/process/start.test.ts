import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { E } from '../../../src/fp.ts'
import type { QueryDataResponse } from '../../../src/plugin.ts'
import { pluginEnvironment } from '../../../src/plugins/process/environment.ts'
import { StartFailure, startProcess, type Running, type StartOptions } from '../../../src/plugins/process/start.ts'
import { isAlive, nodePlugin, query, recordingLogger, temporaryDirectory, within, writeScript } from '../_setup.ts'

// all socket directories of this file, and nobody else's
const runtimeDirectory = mkdtempSync(join(tmpdir(), 'run-'))
process.env['XDG_RUNTIME_DIR'] = runtimeDirectory
test.after.always('leaves no socket directory behind', (t) => {
  t.deepEqual(readdirSync(runtimeDirectory), [])
  rmSync(runtimeDirectory, { recursive: true })
})

/** Remembers who was in it. */
class Remembering extends Set<Running> {
  readonly pids: Array<number> = []
  override add(entry: Running): this {
    if (entry.pid !== undefined) this.pids.push(entry.pid)
    return super.add(entry)
  }
}

interface Setup extends Partial<
  Pick<StartOptions, 'startTimeoutMs' | 'stopGraceMs' | 'receiveLimitBytes' | 'environment'>
> {
  readonly settings?: Readonly<Record<string, string>>
  readonly findExecutable?: () => string
}

const setUp = (t: ExecutionContext, script: string, { settings = {}, ...rest }: Setup = {}) => {
  const path = writeScript(temporaryDirectory(t), 'run', script)
  const logger = recordingLogger()
  const running = new Remembering()
  const options: StartOptions = {
    pluginId: 'testds',
    findExecutable: () => path,
    environment: (socketDirectory) => pluginEnvironment({ host: process.env, env: {}, settings, socketDirectory }),
    logger,
    receiveLimitBytes: 1024 * 1024,
    maxFrames: 10_000,
    startTimeoutMs: 20_000,
    stopGraceMs: 2_000,
    running,
    ...rest,
  }
  t.teardown(() => {
    for (const entry of running) entry.clear()
  })
  return { start: (signal = new AbortController().signal) => startProcess(options, signal), logger, running, path }
}

const silence = 'exec sleep 30'

const badStarts: ReadonlyArray<readonly [string, string, Setup, string | RegExp, object]> = [
  ['ends well without a line', 'echo why >&2', {}, 'exited before it served', { code: 0, stderr: ['why'] }],
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
    'did not start within 200 ms (option startTimeoutMs)',
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

test('fails when there is no program', async (t) => {
  const { start } = setUp(t, silence, { findExecutable: () => '/nowhere/at/all' })
  const error = await t.throwsAsync(start(), { instanceOf: StartFailure, message: 'exited before it served' })
  t.like(error, { exit: { code: null, error: { code: 'ENOENT' } } })
})

test('fails when the program may not be run', async (t) => {
  const { start, path } = setUp(t, silence)
  chmodSync(path, 0o644)
  const error = await t.throwsAsync(start(), { instanceOf: StartFailure, message: 'exited before it served' })
  t.like(error, { exit: { error: { code: 'EACCES' } } })
})

test('leaves no socket directory behind when Node cannot even try', async (t) => {
  let directory = ''
  const { start, running } = setUp(t, silence, {
    environment: (socketDirectory) => {
      directory = socketDirectory
      // longer than any system takes: spawn throws E2BIG
      return { BIG: 'x'.repeat(8 * 1024 * 1024) }
    },
  })
  await t.throwsAsync(start(), { code: 'E2BIG' })
  t.true(directory.startsWith(runtimeDirectory))
  t.false(existsSync(directory))
  t.is(running.size, 0)
})

test('kills a plugin that starts when the host closes', async (t) => {
  const { start, running } = setUp(t, silence)
  const controller = new AbortController()
  const started = start(controller.signal)
  controller.abort()
  await t.throwsAsync(started, { message: 'stopped while it started' })
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

test('ends all running calls when the process crashes', async (t) => {
  const { start } = setUp(t, `echo last words >&2; ${nodePlugin}`)
  const plugin = await start()
  const ask = (type: string) => plugin.client.queryData(query(type), within(60_000))()
  const hanging = ask('hang')
  t.like(await ask('crash'), { left: { _tag: 'PluginUnavailable' } })
  t.like(await hanging, { left: { _tag: 'PluginUnavailable' } })
  t.deepEqual(await plugin.ended, { code: 7, signal: null, stderr: ['last words'] })
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

test('kills a process that lives but cannot be reached any more', async (t) => {
  const { start, logger } = setUp(t, nodePlugin)
  const plugin = await start()
  await plugin.client.queryData(query('unlink'), within(10_000))()
  t.like(await plugin.ended, { signal: 'SIGKILL' })
  t.true(logger.lines.some(({ level, message }) => level === 'warn' && message.startsWith('plugin is unreachable')))
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
