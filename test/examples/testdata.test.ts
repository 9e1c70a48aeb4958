import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { credentials, makeGenericClientConstructor, status } from '@grpc/grpc-js'
import type { ClientUnaryCall, ServiceError } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { AnyDefinition, ServiceDefinition } from '@grpc/proto-loader'
import { tableFromIPC } from 'apache-arrow'
import test from 'ava'
import type { ExecutionContext } from 'ava'

type Unary<Answer> = (request: object, done: (error: ServiceError | null, answer: Answer) => void) => ClientUnaryCall

interface DataResponse {
  readonly frames: ReadonlyArray<Buffer>
  readonly error: string
  readonly status: number
  readonly errorSource: string
}

interface QueryDataResponse {
  readonly responses: Readonly<Record<string, DataResponse>>
}

interface Admission {
  readonly allowed: boolean
  readonly result: { readonly code: number; readonly reason: string; readonly message: string } | null
  readonly warnings: ReadonlyArray<string>
  readonly object_bytes: Buffer
}

const root = new URL('../../', import.meta.url)
const launcher = fileURLToPath(new URL('examples/plugins/testdata/gpx_testdata', root))
const cookie = { grafana_plugin_type: 'datasource' }
const from = Date.UTC(2026, 0, 1)

const definitions = loadSync(
  ['pluginv2.proto', 'go-plugin.proto', 'health.proto'].map((name) => fileURLToPath(new URL(`proto/${name}`, root))),
  { keepCase: true, longs: Number, enums: String, defaults: true },
)

const isService = (definition: AnyDefinition | undefined): definition is ServiceDefinition =>
  definition !== undefined && !('format' in definition)

/** Who ends what a test, or all tests, have begun. */
type Ends = Pick<ExecutionContext, 'teardown'>

const temporaryDirectory = async (ends: Ends): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'testdata-'))
  ends.teardown(() => rm(directory, { recursive: true }))
  return directory
}

/** Runs the launcher as a plugin host would: a clean environment, both pipes read for as long as it lives. */
const launch = async (ends: Ends, env: NodeJS.ProcessEnv, executable = launcher) => {
  const sockets = await temporaryDirectory(ends)
  const child = spawn(executable, {
    env: { PATH: process.env['PATH'], PLUGIN_UNIX_SOCKET_DIR: sockets, PLUGIN_PROTOCOL_VERSIONS: '2', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  ends.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  const closed = once(child, 'close')
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  const logged = async (text: string) => {
    while (!output.stderr.includes(text)) await once(child.stderr, 'data')
  }
  return { child, exited, closed, output, sockets, logged }
}

/** A plugin past its handshake, with a way to call it. */
const start = async (t: ExecutionContext, executable?: string, ends: Ends = t) => {
  const plugin = await launch(ends, cookie, executable)
  while (!plugin.output.stdout.includes('\n')) await once(plugin.child.stdout, 'data')
  const [core, app, network, socket = '', ...rest] = plugin.output.stdout.trimEnd().split('|')
  t.deepEqual([core, app, network, ...rest], ['1', '2', 'unix', 'grpc', ''])
  t.true(socket.startsWith(`${plugin.sockets}/`))

  const begin = <Answer>(path: `${string}/${string}`, request: object) => {
    const [service = '', method = ''] = path.split('/')
    const definition = definitions[service]
    if (!isService(definition)) throw new Error(`expected "${service}" to be a service`)
    const client = new (makeGenericClientConstructor(definition, service))(
      `unix:${socket}`,
      credentials.createInsecure(),
      { 'grpc.max_receive_message_length': -1, 'grpc.enable_retries': 0 },
    )
    ends.teardown(() => client.close())
    const { promise, resolve, reject } = withResolvers<Answer>()
    const call = client[method] as Unary<Answer> | undefined
    if (call === undefined) throw new Error(`expected "${service}" to have a method "${method}"`)
    const running = call.call(client, request, (error, answer) => (error === null ? resolve(answer) : reject(error)))
    return { answer: promise, cancel: () => running.cancel() }
  }
  const call = <Answer>(path: `${string}/${string}`, request: object) => begin<Answer>(path, request).answer

  /** Queries by refId, each over one minute at one row a second. */
  const queryRequest = (queries: Readonly<Record<string, object>>) => ({
    pluginContext: {
      namespace: 'default',
      user: { login: 'ada' },
      dataSourceInstanceSettings: {
        uid: 'abc',
        url: 'http://localhost:9090',
        jsonData: Buffer.from('{"httpMethod":"POST"}'),
        decryptedSecureJsonData: { password: 'hunter2' },
      },
    },
    headers: { 'X-Request-Id': 'r1', Authorization: 'Bearer abcdef' },
    queries: Object.entries(queries).map(([refId, query]) => ({
      refId,
      maxDataPoints: 50,
      intervalMS: 1000,
      timeRange: { fromEpochMS: from, toEpochMS: from + 60_000 },
      json: Buffer.from(JSON.stringify(query)),
    })),
  })
  const queryData = async (queries: Readonly<Record<string, object>>) =>
    (await call<QueryDataResponse>('pluginv2.Data/QueryData', queryRequest(queries))).responses

  return { ...plugin, socket, begin, call, queryRequest, queryData }
}

let shared: Awaited<ReturnType<typeof start>> | undefined
const ofAll: Array<() => unknown> = []

test.before(async (t) => {
  shared = await start(t, undefined, { teardown: (end) => ofAll.push(end) })
})

test.after.always(async () => {
  for (const end of ofAll.toReversed()) await end()
})

/** The plugin of the tests that change nothing about it. */
const running = () => {
  if (shared === undefined) throw new Error('expected a plugin that was started before all tests')
  return shared
}

const withResolvers = <A>() => {
  let resolve: (value: A) => void = () => {}
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<A>((onValue, onError) => ([resolve, reject] = [onValue, onError]))
  return { promise, resolve, reject }
}

const tableOf = (response: DataResponse | undefined) => {
  const [frame] = response?.frames ?? []
  if (frame === undefined) throw new Error(`expected a frame, got ${JSON.stringify(response)}`)
  return tableFromIPC(frame)
}

test('answers the health checks of go-plugin and of the data source', async (t) => {
  const { call, output } = running()
  t.like(await call('grpc.health.v1.Health/Check', { service: 'plugin' }), { status: 'SERVING' })
  t.like(await call('pluginv2.Diagnostics/CheckHealth', {}), { status: 'OK', message: 'testdata is healthy' })
  const jsonData = Buffer.from('{"broken')
  t.like(
    await call('pluginv2.Diagnostics/CheckHealth', { pluginContext: { dataSourceInstanceSettings: { jsonData } } }),
    { status: 'ERROR' },
  )
  t.is(output.stdout.split('\n').length, 2, 'nothing follows the handshake line')
})

test('walks at random, the same way for the same request', async (t) => {
  const { queryData } = running()
  const query = { expr: 'up', alias: 'load', labels: { job: 'api' } }
  const { A, B } = await queryData({ A: query, B: {} })
  const table = tableOf(A)
  t.is(A?.status, 200)
  t.is(table.numRows, 50, 'maxDataPoints cuts the minute')
  t.deepEqual(
    table.schema.fields.map(({ name, nullable, metadata }) => [name, nullable, Object.fromEntries(metadata)]),
    [
      ['time', false, { tstype: 'time' }],
      ['value', false, { tstype: 'number', labels: '{"job":"api"}', config: '{"displayNameFromDS":"load"}' }],
    ],
  )
  t.deepEqual(Object.fromEntries(table.schema.metadata), {
    name: 'load',
    refId: 'A',
    meta: '{"type":"timeseries-multi","typeVersion":[0,1],"executedQueryString":"up"}',
  })
  t.deepEqual([...((table.getChild('time')?.data[0]?.values as BigInt64Array | undefined) ?? [])].slice(0, 2), [
    BigInt(from) * 1_000_000n,
    BigInt(from + 1000) * 1_000_000n,
  ])
  t.deepEqual((await queryData({ A: query })).A?.frames, A?.frames)
  t.notDeepEqual(tableOf(B).getChild('value')?.toArray(), table.getChild('value')?.toArray())
})

test('answers tables with nulls, NaN, large integers and JSON', async (t) => {
  const { queryData } = running()
  const { A } = await queryData({ A: { scenario: 'table' } })
  const table = tableOf(A)
  const column = <A = unknown>(name: string): A[] => [...((table.getChild(name) as Iterable<A> | null) ?? [])]
  t.deepEqual(column('name'), ['alpha', 'beta <b>', 'gamma "γ"', null])
  t.deepEqual(column('count'), [0n, -1n, 9007199254740993n, 9223372036854775807n])
  t.deepEqual(column('ok'), [true, false, true, false])
  t.deepEqual(column('ratio'), [0.1, null, NaN, Infinity])
  t.deepEqual(
    column<Uint8Array | null>('extra').map((bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString()),
    ['{"a":1}', '[1,2]', '"text"', null],
  )
})

test('answers each query of a request for itself, errors included', async (t) => {
  const { queryData } = running()
  const responses = await queryData({
    A: { scenario: 'error', message: 'no such metric', status: 404 },
    B: { scenario: 'constructor' },
    C: { scenario: 'empty' },
    D: { scenario: 'no_data_frame' },
    E: { scenario: 'huge', rows: 7, columns: 3 },
    F: { scenario: 'garbage_frame' },
  })
  t.like(responses['A'], { error: 'no such metric', status: 404, errorSource: 'downstream', frames: [] })
  t.like(responses['B'], { error: 'unknown scenario "constructor"', status: 400, errorSource: 'plugin', frames: [] })
  t.like(responses['C'], { error: '', status: 200, frames: [] })
  t.deepEqual([tableOf(responses['D']).numRows, tableOf(responses['D']).numCols], [0, 2])
  t.deepEqual([tableOf(responses['E']).numRows, tableOf(responses['E']).numCols], [7, 3])
  t.throws(() => tableOf(responses['F']).numRows)
})

test('tells what it received, secrets by name only', async (t) => {
  const { queryData } = running()
  const { A } = await queryData({ A: { scenario: 'context', n: 1 } })
  const row = tableOf(A).get(0)?.toJSON()
  t.like(row, {
    uid: 'abc',
    login: 'ada',
    namespace: 'default',
    url: 'http://localhost:9090',
    jsonData: '{"httpMethod":"POST"}',
    secureKeys: 'password',
    headerKeys: 'Authorization,X-Request-Id',
    headers: '{"X-Request-Id":"r1","Authorization":"[13 characters]"}',
    query: '{"scenario":"context","n":1}',
    fromEpochMS: BigInt(from),
    toEpochMS: BigInt(from + 60_000),
    intervalMS: 1000n,
    maxDataPoints: 50n,
  })
  t.false(A?.frames.some((frame) => frame.includes('hunter2') || frame.includes('abcdef')))
})

test('ends a slow query as soon as its caller cancels', async (t) => {
  const { begin, queryRequest, logged } = await start(t)
  const { answer, cancel } = begin(
    'pluginv2.Data/QueryData',
    queryRequest({ A: { scenario: 'slow', delayMs: 60_000 } }),
  )
  await logged('query data')
  cancel()
  await t.throwsAsync(answer, { code: status.CANCELLED })
  await logged('query cancelled')
})

test('fails a whole call on request', async (t) => {
  const { queryData } = running()
  const failed = queryData({ A: { scenario: 'grpc_error', message: 'out of luck' }, B: {} })
  await t.throwsAsync(failed, { code: status.UNKNOWN, message: /out of luck/ })
})

test('dies in the middle of a call on request', async (t) => {
  const { queryData, closed, output } = await start(t)
  await t.throwsAsync(queryData({ A: { scenario: 'crash' } }), { code: status.UNAVAILABLE })
  t.deepEqual(await closed, [2, null])
  t.regex(output.stderr, /^panic: requested by a query$/m)
})

test('counts the scenarios it was asked for', async (t) => {
  // one that no other test asks this plugin for
  const { call, queryData } = running()
  await queryData({ A: { scenario: 'slow', delayMs: 0 }, B: { scenario: 'slow', delayMs: 0 } })
  const { metrics } = await call<{ metrics: { prometheus: Buffer } }>('pluginv2.Diagnostics/CollectMetrics', {})
  t.regex(metrics.prometheus.toString(), /^testdata_queries_total\{scenario="slow"\} 2$/m)
})

test('admits objects that have a title, and marks them', async (t) => {
  const { call } = running()
  const review = (method: string, operation: string, object?: object) =>
    call<Admission>(`pluginv2.AdmissionControl/${method}`, {
      operation,
      object_bytes: object === undefined ? undefined : Buffer.from(JSON.stringify(object)),
    })
  t.like(await review('ValidateAdmission', 'CREATE', { spec: { title: 'x', deprecated: true } }), {
    allowed: true,
    warnings: ['spec.deprecated is set: this object will stop working'],
  })
  t.like(await review('ValidateAdmission', 'UPDATE', { spec: { title: '' } }), {
    allowed: false,
    result: { code: 422, reason: 'Invalid', message: 'spec.title must not be empty' },
    warnings: [],
  })
  t.true((await review('ValidateAdmission', 'DELETE')).allowed)
  const mutated = await review('MutateAdmission', 'CREATE', { metadata: { name: 'a', annotations: { b: 'c' } } })
  t.deepEqual(JSON.parse(mutated.object_bytes.toString()), {
    metadata: { name: 'a', annotations: { b: 'c', 'testdata/mutated': 'true' } },
  })
})

test('refuses to start without the magic cookie', async (t) => {
  for (const env of [{}, { grafana_plugin_type: 'app' }]) {
    const { closed, output } = await launch(t, env)
    t.deepEqual(await closed, [1, null])
    t.is(output.stdout, '')
  }
})

test('reports a socket directory that does not exist, or whose path is too long', async (t) => {
  const long = join(await temporaryDirectory(t), 'x'.repeat(100))
  await mkdir(long)
  for (const directory of [join(tmpdir(), 'testdata-no-such-directory'), long]) {
    const { closed, output } = await launch(t, { ...cookie, PLUGIN_UNIX_SOCKET_DIR: directory })
    t.deepEqual(await closed, [1, null])
    t.is(output.stdout, '')
    t.regex(output.stderr, /"@level":"error","@message":"plugin init error"/)
  }
})

test('stops on Shutdown with calls in flight, and removes its socket', async (t) => {
  const { begin, call, queryRequest, logged, closed, socket } = await start(t)
  const { answer } = begin(
    'pluginv2.Data/QueryData',
    queryRequest({ A: { scenario: 'hang' }, B: { scenario: 'slow', delayMs: 60_000 } }),
  )
  const interrupted = t.throwsAsync(answer)
  await logged('query data')
  await t.throwsAsync(call('plugin.GRPCController/Shutdown', {}))
  await interrupted
  t.deepEqual(await closed, [0, null])
  await t.throwsAsync(access(socket), { code: 'ENOENT' })
})

test('ignores an interrupt', async (t) => {
  const { child, call, logged } = await start(t)
  child.kill('SIGINT')
  await logged('interrupt ignored')
  t.like(await call('grpc.health.v1.Health/Check', { service: '' }), { status: 'SERVING' })
})

test('starts through a symlink in a folder with spaces', async (t) => {
  const folder = join(await temporaryDirectory(t), 'my plugins')
  await mkdir(folder)
  await symlink(launcher, join(folder, 'gpx_testdata'))
  const { call } = await start(t, join(folder, 'gpx_testdata'))
  t.like(await call('grpc.health.v1.Health/Check', { service: '' }), { status: 'SERVING' })
})
