import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import test, { type ExecutionContext } from 'ava'

import { E } from '../../src/fp.ts'
import { pluginDirectory, type LivingPluginHost, type PluginDirectoryOptions } from '../../src/plugins/index.ts'
import { dyingWithHost } from '../../src/plugins/process/setpriv.ts'
import { bundleOf } from '../_setup/bundle-of.ts'
import { isAlive, nodePlugin, query, recordingLogger, temporaryDirectory, within, writePlugin } from './_setup.ts'

// serial tests: what one leaves behind, the next one would see
const runtimeDirectory = mkdtempSync(join(tmpdir(), 'run-'))
process.env['XDG_RUNTIME_DIR'] = runtimeDirectory
// a host that waits to start a plugin again keeps nobody alive
const alive = setInterval(() => undefined, 60_000)
test.after.always(() => {
  clearInterval(alive)
  rmSync(runtimeDirectory, { recursive: true })
})

const silence = 'exec sleep 30'

const setUp = (
  t: ExecutionContext,
  plugins: Readonly<Record<string, string>>,
  options: PluginDirectoryOptions = {},
) => {
  const root = temporaryDirectory(t)
  for (const [id, script] of Object.entries(plugins)) writePlugin(root, id, script)
  const logger = recordingLogger()
  const host = pluginDirectory(root, { logger, backoff: { initialMs: 50 }, ...options })
  t.teardown(() => host.close())
  /** The pid with which the plugin serves for the nth time. */
  const ready = async (id: string, startCount: number): Promise<number> => {
    const { fields } = await logger.find(
      ({ message, fields: { plugin, startCount: count } }) =>
        message === 'plugin is ready' && plugin === id && count === startCount,
    )
    return Number(fields['pid'])
  }
  return { host, logger, ready, root }
}

const ask = (host: LivingPluginHost, id: string, type = '', options = within(10_000), maxDataPoints = 100) => {
  const plugin = host.plugin(id)
  if (plugin === undefined) throw new Error(`no plugin ${id}`)
  return plugin.client.queryData(query(type, maxDataPoints), options)()
}

const handles = (): ReadonlyArray<string> =>
  process.getActiveResourcesInfo().filter((name) => /Process|Pipe|Http2|Timeout/.test(name))

test.serial('serves its plugins however others behave, and leaves nothing behind', async (t) => {
  const handlesBefore = handles()
  const exitListeners = process.listenerCount('exit')
  const { host, ready } = setUp(
    t,
    { good: nodePlugin, exits: 'exit 0', silent: silence, noisy: `echo hello; ${silence}` },
    { startWaitMs: 100, settings: { good: { max_rows: '7' } } },
  )
  const pid = await ready('good', 1)
  t.true(isAlive(pid))
  const results = await Promise.all([
    ask(host, 'good'),
    ask(host, 'exits'),
    ask(host, 'silent'),
    ask(host, 'noisy'),
    ask(host, 'good', 'hang', within(300)),
  ])
  t.true(E.isRight(results[0]))
  for (const result of results.slice(1, 4)) t.like(result, { left: { _tag: 'PluginUnavailable' } })
  t.like(results[4], { left: { _tag: 'PluginTimeout' } })

  t.deepEqual(
    host.statuses().map(({ id, version }) => [id, version]),
    [
      ['exits', '1.2.3'],
      ['good', '1.2.3'],
      ['noisy', '1.2.3'],
      ['silent', '1.2.3'],
    ],
  )
  t.like(
    host.statuses().find(({ id }) => id === 'good'),
    { state: 'ready', pid, startCount: 1 },
  )
  const hanging = ask(host, 'good', 'hang', within(60_000))
  const closed = host.close()
  t.is(host.close(), closed)
  t.like(await ask(host, 'good'), { left: { _tag: 'PluginUnavailable' } })
  process.kill(pid, 'SIGKILL')
  t.like(await hanging, { left: { _tag: 'PluginUnavailable' } })
  await closed
  t.false(isAlive(pid))
  t.true(host.statuses().every(({ state }) => state === 'stopped'))
  t.deepEqual(readdirSync(runtimeDirectory), [])
  t.is(process.listenerCount('exit'), exitListeners)
  // closed handles are let go at the end of a turn of the loop, after its immediates
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(handles(), handlesBefore)
})

test.serial('starts a plugin again after a crash and after a kill', async (t) => {
  const { host, ready } = setUp(t, { testds: nodePlugin })
  const first = await ready('testds', 1)
  t.like(await ask(host, 'testds', 'crash'), { left: { _tag: 'PluginUnavailable' } })
  const second = await ready('testds', 2)
  t.not(first, second)
  t.true(E.isRight(await ask(host, 'testds')))
  const hanging = ask(host, 'testds', 'hang', within(60_000))
  process.kill(second, 'SIGKILL')
  t.like(await hanging, { left: { _tag: 'PluginUnavailable' } })
  const third = await ready('testds', 3)
  t.true(E.isRight(await ask(host, 'testds')))
  await host.close()
  t.deepEqual([first, second, third].filter(isAlive), [])
  t.deepEqual(readdirSync(runtimeDirectory), [])
})

test.serial('lets running calls end before it stops a plugin', async (t) => {
  const { host, ready } = setUp(t, { testds: nodePlugin })
  await ready('testds', 1)
  const running = ask(host, 'testds', 'flood')
  // one turn, so that the call is on its way
  await new Promise((resolve) => setImmediate(resolve))
  await host.close()
  t.true(E.isRight(await running))
})

test.serial('starts a few plugins at once, and the rest after them', async (t) => {
  const ids = ['a', 'b', 'c', 'd', 'e', 'f']
  const { host } = setUp(t, Object.fromEntries(ids.map((id) => [id, silence])))
  const starting = () => host.statuses().filter(({ state }) => state === 'starting')
  t.is(starting().length, 4)
  await host.close()
  t.true(host.statuses().every(({ startCount }) => startCount <= 1))
  t.deepEqual(readdirSync(runtimeDirectory), [])
})

test.serial('starts nothing before the first call without prewarm', async (t) => {
  const { host } = setUp(t, { testds: nodePlugin }, { prewarm: false })
  await new Promise((resolve) => setImmediate(resolve))
  t.like(host.statuses()[0], { state: 'idle', startCount: 0 })
  t.true(E.isRight(await ask(host, 'testds')))
  t.like(host.statuses()[0], { state: 'ready', startCount: 1 })
})

test.serial('takes no more frames in an answer than the option says', async (t) => {
  const { host } = setUp(t, { testds: nodePlugin }, { maxFrames: 2 })
  t.true(E.isRight(await ask(host, 'testds', 'frames', within(10_000), 2)))
  t.like(await ask(host, 'testds', 'frames', within(10_000), 3), {
    left: {
      _tag: 'BadPlugin',
      message: 'plugin "testds" answered more than 2 frames or responses (option plugins.maxFrames)',
    },
  })
})

test.serial('knows nothing of plugins that are not there', async (t) => {
  const { host } = setUp(t, {})
  t.is(host.plugin('testds'), undefined)
  t.is(host.plugin('__proto__'), undefined)
  t.deepEqual(host.statuses(), [])
  await host.close()
})

test.serial('tells a client nothing of the host when a plugin has no program', async (t) => {
  const { host, root, logger } = setUp(t, { testds: silence })
  rmSync(join(root, 'testds', 'run'))
  const { fields } = await logger.find(({ message }) => message === 'plugin is crashed')
  t.regex(String(fields['error']), /^expected an executable beside plugin\.json, found none of "run_/)
  t.like(await ask(host, 'testds'), {
    left: { message: 'plugin "testds" is down, it will be tried again', retryAfterSeconds: 1 },
  })
})

test.serial('throws a TypeError for a wrong option before anything is started', (t) => {
  const exitListeners = process.listenerCount('exit')
  t.throws(() => pluginDirectory('/nowhere', { startWaitMs: -1 }), { instanceOf: TypeError, message: /startWaitMs/ })
  t.is(process.listenerCount('exit'), exitListeners)
})

test.serial('warns of an option that names a plugin that is not there', async (t) => {
  const sum = '0'.repeat(64)
  const { host, logger } = setUp(t, { testds: silence }, { prewarm: false, sha256: { tsetds: sum, testds: sum } })
  t.deepEqual(
    logger.lines.map(({ level, fields }) => [level, fields]),
    [['warn', { option: 'plugins.sha256', plugin: 'tsetds' }]],
  )
  await host.close()
})

test.serial('logs no setting of a plugin that may be a secret', async (t) => {
  const script = 'echo "$GF_PLUGIN_PASSWORD $GF_PLUGIN_DEBUG $TOKEN" >&2'
  const settings = { testds: { password: 'hunter2!', debug: 'true' } }
  const { logger } = setUp(t, { testds: script }, { settings, env: { TOKEN: 'tok-1234' } })
  await logger.find(({ message }) => message === '[redacted] true [redacted]')
  const { fields } = await logger.find(({ message }) => message === 'plugin is crashed')
  t.is(fields['stderr'], '[redacted] true [redacted]\n')
  t.notRegex(JSON.stringify(logger.lines), /hunter2|tok-1234/)
})

const source = (path: string): string => JSON.stringify(pathToFileURL(bundleOf(path)).href)

test.serial('kills its plugins when Node exits without close', async (t) => {
  const root = temporaryDirectory(t)
  writePlugin(root, 'testds', nodePlugin)
  const program = join(root, 'host.mjs')
  writeFileSync(
    program,
    `import { pluginDirectory } from ${source('src/plugins/directory.ts')}
    const host = pluginDirectory(${JSON.stringify(root)}, {
      logger: { debug() {}, warn() {}, error() {}, info(message, { pid }) {
        if (message !== 'plugin is ready') return
        process.stdout.write(String(pid))
        setImmediate(() => { throw new Error('the host fails') })
      } },
    })`,
  )
  const pid = await new Promise<number>((resolve) => {
    execFile(process.execPath, [program], (_error, stdout) => {
      resolve(Number(stdout))
    })
  })
  t.true(pid > 0)
  t.deepEqual(readdirSync(runtimeDirectory), [])
  // a killed process takes a moment to be gone
  while (isAlive(pid)) await new Promise((resolve) => setImmediate(resolve))
  t.pass()
})

/** Resolves when nobody listens there any more. */
const refused = async (socket: string): Promise<void> => {
  for (;;) {
    const connection = connect(socket)
    try {
      await once(connection, 'connect')
    } catch {
      return
    } finally {
      connection.destroy()
    }
  }
}

test.serial('leaves no plugin behind when its host is killed, or ends it the next time', async (t) => {
  const canDie = (await dyingWithHost('')) !== undefined
  const root = temporaryDirectory(t)
  for (const id of ['dies', 'lives']) writePlugin(join(root, id), id, nodePlugin)
  const program = join(root, 'host.mjs')
  writeFileSync(
    program,
    `import { pluginDirectory } from ${source('src/plugins/directory.ts')}
    const ignore = () => undefined
    const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
    const sockets = []
    for (const [id, dieWithHost] of [['dies', true], ['lives', false]]) {
      const host = pluginDirectory(${JSON.stringify(root)} + '/' + id, { logger, dieWithHost })
      host.watch(({ to }) => to.state === 'ready' && process.stdout.write(id + ' ' + to.pid + '\\n'))
    }`,
  )
  const host = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => host.kill('SIGKILL'))
  const pids = new Map<string, number>()
  let printed = ''
  for await (const chunk of host.stdout) {
    printed += String(chunk)
    for (const [, id = '', pid] of printed.matchAll(/(\w+) (\d+)\n/g)) pids.set(id, Number(pid))
    if (pids.size === 2) break
  }
  const lives = pids.get('lives') ?? 0
  const dies = pids.get('dies') ?? 0
  t.teardown(() => {
    // 0 is everybody
    if (lives > 0 && isAlive(lives)) process.kill(lives, 'SIGKILL')
  })
  t.true(lives > 0)
  const exited = once(host, 'exit')
  host.kill('SIGKILL')
  await exited
  const socketOf = (pid: number): string =>
    readdirSync(runtimeDirectory, { recursive: true })
      .map((name) => join(runtimeDirectory, String(name)))
      .find((name) => name.endsWith(`plugin${String(pid)}`)) ?? ''
  if (canDie) await refused(socketOf(dies))
  t.true(isAlive(lives))
  t.is(readdirSync(runtimeDirectory).length, 2)

  const socket = socketOf(lives)
  const { host: next, logger } = setUp(t, { testds: silence })
  const { level, fields } = await logger.find(
    ({ message, fields }) => message === 'ended a plugin whose host was gone' && fields['plugin'] === 'lives',
  )
  t.deepEqual([level, fields], ['info', { plugin: 'lives', pid: lives, target: `unix:${socket}` }])
  await next.close()
  t.deepEqual(readdirSync(runtimeDirectory), [])
})

test.serial('knows a plugin without a program by its routes, and calls nothing for it', async (t) => {
  const root = temporaryDirectory(t)
  const routes = [{ path: 'api' }]
  writeFileSync(join(root, 'plugin.json'), JSON.stringify({ id: 'frontend', type: 'datasource', routes }))
  const host = pluginDirectory(root)
  t.teardown(() => host.close())
  t.like(host.plugin('frontend')?.pluginJson, { routes })
  t.deepEqual(host.statuses(), [])
  t.like(await ask(host, 'frontend'), { left: { _tag: 'NotImplemented' } })
})
