import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { E } from '../../src/fp.ts'
import { pluginDirectory, type PluginDirectory, type PluginDirectoryOptions } from '../../src/plugins/index.ts'
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

const ask = (host: PluginDirectory, id: string, type = '', options = within(10_000), maxDataPoints = 100) => {
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
    host.states().map(({ id, version }) => [id, version]),
    [
      ['exits', '1.2.3'],
      ['good', '1.2.3'],
      ['noisy', '1.2.3'],
      ['silent', '1.2.3'],
    ],
  )
  t.like(
    host.states().find(({ id }) => id === 'good'),
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
  t.true(host.states().every(({ state }) => state === 'stopped'))
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
  const starting = () => host.states().filter(({ state }) => state === 'starting')
  t.is(starting().length, 4)
  await host.close()
  t.true(host.states().every(({ startCount }) => startCount <= 1))
  t.deepEqual(readdirSync(runtimeDirectory), [])
})

test.serial('starts nothing before the first call without prewarm', async (t) => {
  const { host } = setUp(t, { testds: nodePlugin }, { prewarm: false })
  await new Promise((resolve) => setImmediate(resolve))
  t.like(host.states()[0], { state: 'idle', startCount: 0 })
  t.true(E.isRight(await ask(host, 'testds')))
  t.like(host.states()[0], { state: 'ready', startCount: 1 })
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
  t.deepEqual(host.states(), [])
  await host.close()
})

test.serial('tells a client nothing of the host when a plugin has no program', async (t) => {
  const { host, root, logger } = setUp(t, { testds: silence })
  rmSync(join(root, 'testds', 'run'))
  const { fields } = await logger.find(({ message }) => message === 'plugin is backing-off')
  t.regex(String(fields['error']), /^expected an executable beside plugin\.json, found none of "run_/)
  t.like(await ask(host, 'testds'), {
    left: { message: 'plugin "testds" is not running, it will be started again', retryAfterSeconds: 1 },
  })
})

test.serial('throws a TypeError for a wrong option before anything is started', (t) => {
  const exitListeners = process.listenerCount('exit')
  t.throws(() => pluginDirectory('/nowhere', { startWaitMs: -1 }), { instanceOf: TypeError, message: /startWaitMs/ })
  t.is(process.listenerCount('exit'), exitListeners)
})

test.serial('kills its plugins when Node exits without close', async (t) => {
  const root = temporaryDirectory(t)
  writePlugin(root, 'testds', nodePlugin)
  const program = join(root, 'host.mts')
  writeFileSync(
    program,
    `import { pluginDirectory } from ${JSON.stringify(new URL('../../src/plugins/index.ts', import.meta.url).href)}
    const host = pluginDirectory(${JSON.stringify(root)}, {
      logger: { debug() {}, warn() {}, error() {}, info(message, { pid }) {
        if (message !== 'plugin is ready') return
        process.stdout.write(String(pid))
        setImmediate(() => { throw new Error('the host fails') })
      } },
    })`,
  )
  const pid = await new Promise<number>((resolve) => {
    const tsx = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href
    execFile(process.execPath, ['--import', tsx, program], (_error, stdout) => {
      resolve(Number(stdout))
    })
  })
  t.true(pid > 0)
  t.deepEqual(readdirSync(runtimeDirectory), [])
  // a killed process takes a moment to be gone
  while (isAlive(pid)) await new Promise((resolve) => setImmediate(resolve))
  t.pass()
})
