import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'
import express from 'express'

import {
  createServer,
  dataPlaneAggregator,
  memorySource,
  pluginDirectory,
  staticContexts,
  type PluginChange,
  type PluginDirectoryOptions,
  type PluginStatus,
  type Status,
} from '../../src/index.ts'
import { writeScriptedPlugin, type PluginScript, type ScriptedStart } from '../../src/testing/index.ts'
import { listen, post } from '../_setup/aggregator.ts'
import { isAlive, pluginContext, recordingLogger, within } from './_setup.ts'

// What callers get while a plugin misbehaves, by HTTP and through real processes; what the operator reads of it; and that another
// plugin of the same host answers meanwhile. All plugins are in one folder; hosts with options of their own read it, and start a
// plugin when it is asked for.

const mebibyte = 1024 * 1024

const handshakes: ReadonlyArray<readonly [ScriptedStart, RegExp, object]> = [
  [{ exit: 0, stderr: 'no config\n' }, /^exited before it served$/, { code: 0, stderr: 'no config\n' }],
  [{ exit: 3 }, /^exited before it served$/, { code: 3, stderr: '' }],
  [{ noise: 'hello\n' }, /expected a line such as .*, got "hello"/, { signal: 'SIGKILL' }],
  [{ noise: 'x'.repeat(mebibyte) }, /expected a line such as .*, got "x{200}…"$/, { signal: 'SIGKILL' }],
  [{ line: '2|2|unix|{socket}|grpc|' }, /expected core protocol version 1, got "2"/, { signal: 'SIGKILL' }],
  [{ line: '1|3|unix|{socket}|grpc|' }, /expected plugin protocol version 2, got "3"/, { signal: 'SIGKILL' }],
  [{ line: '1|2|udp|{socket}|grpc|' }, /expected network "unix" or "tcp", got "udp"/, { signal: 'SIGKILL' }],
  [{ line: '1|2|unix|{socket}|netrpc|' }, /expected protocol "grpc", got "netrpc"/, { signal: 'SIGKILL' }],
  [{ line: '1|2|unix|{socket}.gone|grpc|' }, /^health check: .*ENOENT/, { signal: 'SIGKILL' }],
  ['not-serving', /^health check: it answers but says that it does not serve$/, { signal: 'SIGKILL' }],
]

const scripts: ReadonlyArray<PluginScript> = [
  { id: 'good' },
  { id: 'silent', start: 'silent' },
  { id: 'clumsy', start: [...handshakes.map(([start]) => start), 'serve'] },
  {
    id: 'fragile',
    on: {
      queryData: [{ exit: 2, stderr: 'panic: no more rows\n' }, 'answer'],
      callResource: ['hang', { answers: [{ status: 201 }, { body: Buffer.from('b') }], then: { exit: 3 } }, 'unlink'],
    },
  },
  {
    id: 'liar',
    on: {
      queryData: 'garbage',
      validateAdmission: { oversize: 2 * mebibyte },
      mutateAdmission: { fail: 'UNKNOWN', details: 'no such\ntable in /etc/secret', errorSource: 'downstream' },
      callResource: { answers: [{ body: Buffer.from('x') }], then: 'repeat' },
    },
  },
  { id: 'slow', on: { queryData: 'hang' } },
  { id: 'frozen', on: { queryData: ['stop', 'answer'] } },
  { id: 'stubborn', on: { queryData: 'hang' }, shutdown: 'hang', grandchild: true },
  {
    id: 'loud',
    logs: [
      { to: 'stderr', text: 'x', times: 16 * mebibyte },
      { to: 'stderr', text: '\npanic: said all\n' },
      { to: 'stdio', text: 'y', times: mebibyte },
      { to: 'stdio', text: '\npanic: printed all\n' },
    ],
  },
  { id: 'impostor', tls: 'wrong-certificate' },
]

const manifestOf = ({ id }: PluginScript): unknown => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name: `v1.${id}.example.com` },
  spec: {
    pluginID: id,
    pluginType: 'datasource',
    group: `${id}.example.com`,
    version: 'v1',
    services: [{ type: 'query' }, { type: 'admission' }],
  },
})

const runtimeDirectory = mkdtempSync(join(tmpdir(), 'run-'))
process.env['XDG_RUNTIME_DIR'] = runtimeDirectory
const directory = mkdtempSync(join(tmpdir(), 'misbehaviour-'))
const pids = new Set<number>()

test.before(async () => {
  for (const script of scripts) await writeScriptedPlugin(directory, script)
})

// after the teardowns of all tests, which close the hosts
test.after.always('leaves no process and no socket behind', (t) => {
  t.true(pids.size > 0)
  t.deepEqual([...pids].filter(isAlive), [])
  t.deepEqual(readdirSync(runtimeDirectory), [])
  rmSync(runtimeDirectory, { recursive: true })
  rmSync(directory, { recursive: true })
})

interface Answer {
  readonly code: number
  readonly retryAfter: number
  readonly status: Status
}

const setUp = async (
  t: ExecutionContext,
  { requestTimeoutMs = 30_000, ...options }: PluginDirectoryOptions & { readonly requestTimeoutMs?: number } = {},
) => {
  const logger = recordingLogger()
  const host = pluginDirectory(directory, {
    logger,
    prewarm: false,
    startWaitMs: 30_000,
    backoff: { initialMs: 60_000 },
    ...options,
  })
  const changes: Array<PluginChange> = []
  const watchers = new Set<() => void>()
  host.watch((change) => {
    changes.push(change)
    for (const pid of [change.to.pid, change.to.lastExit?.pid]) if (pid !== undefined) pids.add(pid)
    for (const look of [...watchers]) look()
  })
  const aggregator = dataPlaneAggregator({
    source: memorySource(scripts.map(manifestOf)),
    plugins: host,
    contexts: staticContexts({
      datasources: scripts.map(({ id }) => ({ uid: id, type: id, secureJsonData: { password: 'hush-hush' } })),
    }),
    limits: { requestTimeoutMs },
  })
  t.teardown(() => aggregator.close())
  await aggregator.ready
  const url = await listen(t, createServer(express().use(aggregator)))

  const send = async (id: string, path: string, body: unknown): Promise<Answer> => {
    const response = await post(`${url}/apis/${id}.example.com/v1/${path}`, body)
    const text = await response.text()
    t.notRegex(text, /hush|\/tmp|\/run|\/etc|sock/, 'a client learns nothing of the host')
    const retryAfter = Number(response.headers.get('retry-after'))
    return { code: response.status, retryAfter, status: JSON.parse(text) as Status }
  }
  const ask = (id: string): Promise<Answer> =>
    send(id, `namespaces/default/datasources/${id}/query`, {
      queries: [{ refId: 'A', datasource: { type: id, uid: id } }],
      from: '1700000000000',
      to: '1700000060000',
    })
  const review = (id: string, kind: 'mutate' | 'validate'): Promise<Answer> =>
    send(id, `admission/${kind}`, {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: { uid: 'u', operation: 'DELETE', kind: { group: 'g', version: 'v', kind: 'K' } },
    })

  const statusOf = (id: string): PluginStatus => {
    const status = host.statuses().find((status) => status.id === id)
    if (status === undefined) throw new Error(`no plugin ${id}`)
    return status
  }
  /** What a plugin was in each state that it entered, once it has been in the one that is meant. */
  const until = (id: string, matches: (status: PluginStatus) => boolean): Promise<ReadonlyArray<PluginStatus>> =>
    new Promise((resolve) => {
      const look = (): void => {
        const past = changes.map(({ to }) => to).filter((status) => status.id === id)
        if (!past.some(matches)) return
        watchers.delete(look)
        resolve(past)
      }
      watchers.add(look)
      look()
    })
  const clientOf = (id: string) => {
    const installed = host.plugin(id)
    if (installed === undefined) throw new Error(`no plugin ${id}`)
    return installed.client
  }
  /** A resource's answer, message by message. */
  const resource = (id: string, options = within(20_000)) =>
    clientOf(id).callResource(
      { pluginContext, path: '', method: 'GET', url: '', headers: {}, body: Buffer.alloc(0) },
      options,
    )
  /** The other plugin answers, whatever this one does. */
  const othersAreServed = async (): Promise<void> => {
    t.is((await ask('good')).code, 200)
  }
  return { host, logger, ask, review, resource, clientOf, statusOf, until, othersAreServed }
}

const isReady = ({ state }: PluginStatus): boolean => state === 'ready'

test('tells what is wrong with each start, and serves as soon as one is right', async (t) => {
  const { ask, until, othersAreServed } = await setUp(t, { backoff: { initialMs: 10, maxMs: 10 } })
  const [answer] = await Promise.all([ask('clumsy'), othersAreServed()])
  t.like(answer, { code: 503, status: { reason: 'ServiceUnavailable' } })
  t.is(answer.status.message, 'plugin "clumsy" is down, it will be tried again')
  t.is(answer.retryAfter, 1)

  const states = await until('clumsy', isReady)
  const failures = states.filter(({ state }) => state.startsWith('crash'))
  t.is(failures.length, handshakes.length)
  for (const [index, [start, error, exit]] of handshakes.entries()) {
    const said = JSON.stringify(start).slice(0, 60)
    t.regex(failures[index]?.lastError ?? '', error, said)
    t.like(failures[index]?.lastExit, exit, said)
    t.is(failures[index]?.state, index < 2 ? 'crashed' : 'crash-looping', said)
  }
  t.is((await ask('clumsy')).code, 200)
})

test('gives up a plugin that says nothing', async (t) => {
  const { ask, statusOf } = await setUp(t, { startTimeoutMs: 200 })
  const { code, retryAfter, status } = await ask('silent')
  t.is(code, 503)
  // less the jitter, and what has passed
  t.true(retryAfter > 40 && retryAfter <= 60)
  t.is(status.details?.retryAfterSeconds, retryAfter)
  t.like(statusOf('silent'), {
    state: 'crashed',
    startCount: 1,
    lastError: 'did not start within 200 ms (option plugins.startTimeoutMs)',
    lastExit: { signal: 'SIGKILL' },
  })
})

test('answers 503 to the calls of a process that crashes, and starts it again', async (t) => {
  const { host, logger, ask, resource, statusOf, until, othersAreServed } = await setUp(t, {
    backoff: { initialMs: 10 },
    crashLoopAfter: 10,
  })
  const outcomesOf = async (stream: ReturnType<typeof resource>) => {
    const outcomes = []
    for await (const outcome of stream) outcomes.push(outcome)
    return outcomes
  }
  const startedAgain = (startCount: number) =>
    until('fragile', (status) => isReady(status) && status.startCount === startCount)

  // a call that crashes it, with another one under way
  const crashed = ask('fragile')
  const beside = outcomesOf(resource('fragile'))
  await othersAreServed()
  t.like(await crashed, { code: 503, retryAfter: 1, status: { message: 'plugin "fragile" is unavailable' } })
  t.like(await beside, { length: 1, 0: { left: { _tag: 'PluginUnavailable' } } })
  await startedAgain(2)
  t.like(statusOf('fragile'), {
    lastError: 'exited with code 2',
    lastExit: { code: 2, signal: null, stderr: 'panic: no more rows\n' },
  })
  t.is((await ask('fragile')).code, 200)
  await logger.find(({ level, message }) => level === 'error' && message === 'panic: no more rows')

  // in the middle of a stream: what was sent arrives, then the reason why the rest does not
  t.like(await outcomesOf(resource('fragile')), {
    length: 3,
    0: { right: { status: 201 } },
    2: { left: { _tag: 'PluginUnavailable' } },
  })
  await startedAgain(3)
  t.like(statusOf('fragile'), { lastError: 'exited with code 3', lastExit: { code: 3, signal: null } })

  // it lives, but nobody can reach it any more
  t.like(await outcomesOf(resource('fragile')), { length: 1, 0: { left: { _tag: 'PluginUnavailable' } } })
  await startedAgain(4)
  t.regex(statusOf('fragile').lastError ?? '', /^health check: /)
  t.like(statusOf('fragile').lastExit, { signal: 'SIGKILL' })
  t.is(host.statuses().filter(isReady).length, 2)
})

test('answers 502 to what is no answer, and 400 to what is not the plugin’s fault', async (t) => {
  const { ask, review, resource, statusOf, othersAreServed } = await setUp(t, { receiveLimitBytes: mebibyte })
  const [garbage, oversize, downstream] = await Promise.all([
    ask('liar'),
    review('liar', 'validate'),
    review('liar', 'mutate'),
    othersAreServed(),
  ])
  t.like(garbage, { code: 502, status: { reason: 'BadGateway' } })
  t.is(garbage.status.message, 'plugin "liar" answered what is no queryData response')
  t.is(oversize.code, 502)
  t.regex(oversize.status.message, /^plugin "liar" answered 2097152 bytes, .* \(option plugins\.receiveLimitBytes\)$/)
  t.like(downstream, { code: 400, status: { message: 'plugin "liar" failed in mutateAdmission' } })

  // a stream without end costs no more than what is taken of it
  let taken = 0
  for await (const _ of resource('liar')) if (++taken === 100) break
  t.is(taken, 100)
  // lies are no crime
  t.like(statusOf('liar'), { state: 'ready', startCount: 1, inFlight: 0, lastError: undefined })
})

test('answers 504 once the time of a call is over', async (t) => {
  const { ask, clientOf, statusOf, othersAreServed } = await setUp(t, { requestTimeoutMs: 1_500 })
  const started = await clientOf('slow').checkHealth({ pluginContext, headers: {} }, within(20_000))()
  t.like(started, { right: { status: 'OK' } })
  await clientOf('good').checkHealth({ pluginContext, headers: {} }, within(20_000))()
  const [late] = await Promise.all([ask('slow'), othersAreServed()])
  t.like(late, { code: 504, retryAfter: 0, status: { reason: 'Timeout' } })
  // whoever looks at the clock first
  t.regex(late.status.message, /^plugin "slow" did not answer queryData in time$|longer than 1500 ms/)
  t.like(statusOf('slow'), { state: 'ready', inFlight: 0 })
})

test('refuses calls of a process that stands still, kills it and starts another', async (t) => {
  const probe = { intervalMs: 100, timeoutMs: 500, failures: 1, restartAfter: 3 }
  const { ask, statusOf, until, othersAreServed } = await setUp(t, { probe, backoff: { initialMs: 10 } })
  const frozen = ask('frozen')
  const [unhealthy] = (await until('frozen', ({ state }) => state === 'unhealthy')).slice(-1)
  t.regex(unhealthy?.lastError ?? '', /^health check: /)
  const [refused] = await Promise.all([ask('frozen'), othersAreServed()])
  t.like(refused, { code: 503, status: { message: 'plugin "frozen" does not answer its health check' } })
  t.true(refused.retryAfter >= 1)

  t.like(await frozen, { code: 503, status: { message: 'plugin "frozen" is unavailable' } })
  await until('frozen', (status) => isReady(status) && status.startCount === 2)
  t.like(statusOf('frozen').lastExit, { code: null, signal: 'SIGKILL' })
  t.is((await ask('frozen')).code, 200)
})

test('closes in spite of a plugin that will not end, and of its grandchild', async (t) => {
  const { host, ask, clientOf, statusOf, othersAreServed } = await setUp(t, { stopGraceMs: 1_000, drainMs: 100 })
  await clientOf('stubborn').checkHealth({ pluginContext, headers: {} }, within(20_000))()
  const hanging = ask('stubborn')
  await othersAreServed()
  await host.close()
  t.like(await hanging, { code: 503, status: { message: 'plugin "stubborn" is unavailable' } })
  t.like(statusOf('stubborn'), { state: 'stopped', lastExit: { signal: 'SIGKILL' } })
  t.like(statusOf('good'), { state: 'stopped', lastExit: { code: 0, signal: null } })
})

test('serves others while a plugin floods its logs without a line feed', async (t) => {
  const { host, logger, ask, statusOf, othersAreServed } = await setUp(t, { logLinesPerSecond: 10 })
  let isOver = false
  const saidAll = Promise.all(
    ['panic: said all', 'panic: printed all'].map((last) => logger.find(({ message }) => message === last)),
  )
  void saidAll.then(() => (isOver = true))
  t.is((await ask('loud')).code, 200)
  do await othersAreServed()
  while (!isOver)
  t.like(statusOf('loud'), { state: 'ready', startCount: 1 })
  await host.close()
  // 17 MiB came, of which this is all that was kept at any time
  const lengths = logger.lines.map(({ message }) => message.length)
  t.true(lengths.length < 100)
  t.is(Math.max(...lengths), 64 * 1024)
  t.is(statusOf('loud').lastExit?.stderr, 'panic: said all\n')
})

test('does not speak with a process that shows another certificate than it announced', async (t) => {
  const { ask, statusOf, othersAreServed } = await setUp(t, { autoMTLS: true })
  const [answer] = await Promise.all([ask('impostor'), othersAreServed()])
  t.like(answer, { code: 503, status: { reason: 'ServiceUnavailable' } })
  t.regex(statusOf('impostor').lastError ?? '', /^health check: .*certificate/)
  t.like(statusOf('impostor').lastExit, { signal: 'SIGKILL' })
})
