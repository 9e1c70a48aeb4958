import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'

import test, { type ExecutionContext } from 'ava'

import type { AggregatorError, Result } from '../../src/errors.ts'
import { E } from '../../src/fp.ts'
import type {
  CallResourceRequest,
  CallResourceResponse,
  DataQuery,
  DataSourceInstanceSettings,
  MessageStream,
  PluginClient,
  PluginContext,
  PluginHost,
  QueryDataRequest,
  StreamRequest,
} from '../../src/plugin.ts'
import type { PluginStatus } from '../../src/plugin-status.ts'
import { within } from '../plugins/_setup.ts'

/** Go programs; see prepare.js. */
export type ProgramName = 'plugin' | 'plugin-2' | 'plugin-sdk2023' | 'prometheus' | 'host' | 'empty'

type Programs = Readonly<Record<ProgramName | 'version' | 'platform', string>> & {
  /** Where the protocols are written down that plugins were built with. */
  readonly protos: { readonly sdk: string; readonly goPlugin: string }
}

type Tool<A> =
  { readonly have: A; readonly skipped?: undefined } | { readonly have?: undefined; readonly skipped: string }

interface KubernetesPrograms {
  readonly apiserver: string
  readonly etcd: string
  /** Makes the certificates. */
  readonly openssl: string
  /** Shape: `v1.37.2`. */
  readonly version: string
}

interface Tools {
  readonly go: Tool<Programs>
  readonly published: Tool<string>
  readonly converter: Tool<string>
  readonly apiserver: Tool<string>
  readonly kubernetes: Tool<KubernetesPrograms>
  readonly kubectl: Tool<string>
  readonly 'kubectl-older': Tool<string>
  readonly 'kubectl-oldest': Tool<string>
  readonly prometheus: Tool<string>
  readonly setpriv: Tool<string>
  readonly curl: Tool<string>
}

/** Of this file of tests: a folder for its plugins, and one for their sockets, which nobody else looks into. */
const directory = mkdtempSync(join(tmpdir(), 'interop-'))
export const runtimeDirectory = join(directory, 'run')
mkdirSync(runtimeDirectory)
process.env['XDG_RUNTIME_DIR'] = runtimeDirectory
process.on('exit', () => {
  rmSync(directory, { recursive: true, force: true })
})
// a host that waits to start a plugin again keeps nobody alive
let alive: NodeJS.Timeout | undefined
test.before(() => {
  alive = setInterval(() => undefined, 60_000)
})
test.after.always(() => {
  clearInterval(alive)
})

/** An empty folder of plugins. */
export const pluginFolder = (): string => mkdtempSync(join(directory, 'plugins-'))

/** What prepare.js could get, each tool or the reason why it is not there. */
export const tools = JSON.parse(process.env['INTEROP_TOOLS'] ?? '{}') as Tools

type Run = (t: ExecutionContext) => Promise<void>

/** Declares tests that need all of these tools; without them each test says what is missing, and is skipped. */
export const testWith =
  (...needed: ReadonlyArray<keyof Tools>) =>
  (title: string, run: Run): void => {
    const missing = needed.map((name) => tools[name].skipped).find((reason) => reason !== undefined)
    if (missing === undefined) test.serial(title, run)
    else test.serial.skip(`${title} (${missing})`, run)
  }

const have = <A>(tool: Tool<A>): A => {
  if (tool.have === undefined) throw new Error(tool.skipped)
  return tool.have
}

export const programOf = (name: ProgramName): string => have(tools.go)[name]
export const protoDirectories = (): Programs['protos'] => have(tools.go).protos
/** Lays a plugin into a folder of plugins as a generator wrote it and its authors' build leaves it. Its source is returned. */
export const installPublished = (root: string, id: string): string => {
  const made = join(have(tools.published), id)
  cpSync(join(made, 'dist'), join(root, id), { recursive: true })
  return made
}
/** The converter of Kubernetes' apiserver. */
export const converter = (): string => have(tools.converter)
export const curl = (): string => have(tools.curl)
export const prometheus = (): string => have(tools.prometheus)

export const end = async (child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}

/** Starts a process that ends with the test, and with the tests themselves, should they be killed. */
export const run = (
  t: Pick<ExecutionContext, 'teardown'>,
  program: string,
  args: ReadonlyArray<string>,
  options: SpawnOptions,
): ChildProcess & { readonly pid: number } => {
  const { have: setpriv } = tools.setpriv
  const child =
    setpriv === undefined
      ? spawn(program, args, options)
      : spawn(setpriv, ['--pdeathsig', 'KILL', '--', program, ...args], options)
  t.teardown(() => end(child))
  const { pid } = child
  if (pid === undefined) throw new Error(`cannot run "${program}"`)
  return Object.assign(child, { pid })
}

/** The first line that a process says. */
export const firstLine = async ({ stdout }: ChildProcess): Promise<string> => {
  if (stdout === null) throw new Error('it has no stdout')
  const [line] = (await once(createInterface({ input: stdout }), 'line')) as [string]
  return line
}

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Resolves once it holds. What is waited for happens in processes that are not our children, and tell nobody. */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await delay(10)
}

/** Puts another program where one may be running: a new file that takes the name of the old one, as package managers do. */
export const replaceProgram = (program: ProgramName, path: string): void => {
  const unfinished = `${path}.new`
  copyFileSync(programOf(program), unfinished)
  chmodSync(unfinished, 0o755)
  renameSync(unfinished, path)
}

/** Lays a plugin into a folder of plugins, as Grafana's archives do. The path of its program is returned. */
export const installPlugin = (root: string, id: string, program: ProgramName, executable = 'gpx_interop'): string => {
  const directory = join(root, id)
  mkdirSync(directory, { recursive: true })
  const pluginJson = { id, type: 'datasource', name: id, backend: true, executable, info: { version: '4.5.6' } }
  writeFileSync(join(directory, 'plugin.json'), JSON.stringify(pluginJson))
  const path = join(directory, `${executable}_${have(tools.go).platform}`)
  replaceProgram(program, path)
  return path
}

export const clientOf = (host: PluginHost, id: string): PluginClient => {
  const plugin = host.plugin(id)
  if (plugin === undefined) throw new Error(`no plugin ${id}`)
  return plugin.client
}

export const statusOf = (host: PluginHost, id: string): PluginStatus => {
  const status = host.statuses?.().find((candidate) => candidate.id === id)
  if (status === undefined) throw new Error(`no status of ${id}`)
  return status
}

/** Resolves with the status of the plugin once it fits, now or after a change. */
export const untilStatus = (
  host: PluginHost,
  id: string,
  fits: (status: PluginStatus) => boolean,
): Promise<PluginStatus> =>
  new Promise((resolve) => {
    const end = host.watch?.(({ to }) => {
      if (to.id !== id || !fits(to)) return
      end?.()
      resolve(to)
    })
    const now = statusOf(host, id)
    if (!fits(now)) return
    end?.()
    resolve(now)
  })

const settings: DataSourceInstanceSettings = {
  id: 7,
  uid: 'ds-ü',
  name: 'A data source',
  url: 'http://127.0.0.1:1/x',
  user: 'reader',
  database: 'db',
  basicAuthEnabled: true,
  basicAuthUser: 'basic',
  jsonData: Buffer.from('{"a":{"b":[1,2.50]}}'),
  decryptedSecureJsonData: { password: 'p"ä\n' },
  lastUpdatedMS: 1_700_000_000_123,
}

export const contextOf = (
  pluginId: string,
  changed: Partial<DataSourceInstanceSettings> = {},
  rest: Partial<PluginContext> = {},
): PluginContext => ({
  orgId: 3,
  pluginId,
  user: { login: 'ada', name: 'Ada L.', email: 'ada@example.com', role: 'Editor' },
  dataSourceInstanceSettings: { ...settings, ...changed },
  grafanaConfig: { GF_APP_URL: 'http://localhost:3000/' },
  pluginVersion: '4.5.6',
  userAgent: 'Grafana/12.4.0 (linux; amd64)',
  apiVersion: 'v0alpha1',
  namespace: 'stacks-12',
  ...rest,
})

export const queryOf = (refId: string, queryType: string, rest: Partial<DataQuery> = {}): DataQuery => ({
  refId,
  queryType,
  maxDataPoints: 100,
  intervalMS: 1500,
  timeRange: { fromEpochMS: 1_600_000_000_000, toEpochMS: 1_600_000_060_000 },
  json: Buffer.from('{}'),
  ...rest,
})

export const asking = (
  pluginId: string,
  queries: ReadonlyArray<DataQuery>,
  rest: Partial<QueryDataRequest> = {},
): QueryDataRequest => ({ pluginContext: contextOf(pluginId), headers: {}, queries, ...rest })

export const resourceOf = (
  pluginId: string,
  path: string,
  rest: Partial<CallResourceRequest> = {},
): CallResourceRequest => ({
  pluginContext: contextOf(pluginId),
  path,
  method: 'GET',
  url: path,
  headers: {},
  body: new Uint8Array(),
  ...rest,
})

export const streamOf = (pluginId: string, path: string, data = '{"x":1}'): StreamRequest => ({
  pluginContext: contextOf(pluginId),
  path,
  data: Buffer.from(data),
  headers: { 'http_X-Panel-Id': '9' },
})

export const soon = () => within(20_000)

/** What came, or a throw that tells why nothing did. */
export const good = async <A>(result: Result<A>): Promise<A> => {
  const either = await result()
  if (E.isLeft(either)) throw new Error(`expected an answer, got ${describe(either.left)}`)
  return either.right
}

export const bad = async (result: Result<unknown>): Promise<AggregatorError> => {
  const either = await result()
  if (E.isRight(either)) throw new Error('expected an error, got an answer')
  return either.left
}

const describe = (error: AggregatorError): string =>
  JSON.stringify(error, (_key, value: unknown) => (value instanceof Error ? value.message : value))

/** All messages, and the error that ended them, if one did. */
export const collect = async <A>(
  stream: MessageStream<A>,
): Promise<{ readonly messages: ReadonlyArray<A>; readonly error: AggregatorError | undefined }> => {
  const messages: Array<A> = []
  for await (const item of stream) {
    if (E.isLeft(item)) return { messages, error: item.left }
    messages.push(item.right)
  }
  return { messages, error: undefined }
}

export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
export const jsonOf = (bytes: Uint8Array): unknown => JSON.parse(textOf(bytes))

/** The whole answer of a resource that does not fail. */
export const fetchResource = async (
  client: PluginClient,
  request: CallResourceRequest,
): Promise<CallResourceResponse & { readonly text: string }> => {
  const { messages, error } = await collect(client.callResource(request, soon()))
  const [first] = messages
  if (error !== undefined || first === undefined)
    throw new Error(`expected an answer of "${request.path}", got ${error === undefined ? 'none' : describe(error)}`)
  return { ...first, text: messages.map(({ body }) => textOf(body)).join('') }
}

export interface Counters {
  readonly instances: number
  readonly disposed: number
  readonly cancelled: number
}

export const countersOf = async (client: PluginClient, pluginId: string): Promise<Counters> => {
  const { text } = await fetchResource(client, resourceOf(pluginId, 'counters'))
  return JSON.parse(text) as Counters
}
