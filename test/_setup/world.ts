import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'

import type { ExecutionContext } from 'ava'
import express from 'express'
import { Registry } from 'prom-client'

import {
  createServer,
  dataPlaneAggregator,
  inProcess,
  memorySource,
  staticContexts,
  type AggregatorOptions,
  type Authorize,
  type DataPlaneAggregator,
  type InProcessPlugin,
  type PluginContextProvider,
  type PluginHost,
  type RequestAttributes,
} from '../../src/index.ts'
import { recordingLogger } from '../telemetry/recording-logger.ts'
import { recordingTracer } from '../telemetry/recording-tracer.ts'
import { listen } from './aggregator.ts'
import { manifests, type Reached } from './every-route.ts'

/** Where whoever answers waits until he is told to go on: before he says anything, or after the first of it. */
export type Place = 'head' | 'body' | 'nowhere'

/** Something that a request came to. */
export interface Call {
  readonly reached: Reached
  /** What it was told: a request of the protocol, or what came over the wire. */
  readonly told: unknown
  /** Resolves when it is ended from outside: its signal is aborted, or its connection is closed. */
  readonly ended: Promise<void>
}

/** All that headers of an answer might do to this origin, or to the connection. */
export const hostileAnswer: Readonly<Record<string, string>> = {
  'Set-Cookie': 'evil=1',
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Credentials': 'true',
  'Strict-Transport-Security': 'max-age=0',
  'Clear-Site-Data': '"*"',
  'Content-Security-Policy': "default-src 'unsafe-inline'",
  'X-Accel-Redirect': '/etc/passwd',
  'X-Content-Type-Options': 'sniff',
  'WWW-Authenticate': 'Basic',
  'Proxy-Authenticate': 'Basic',
  'Alt-Svc': 'h3="evil.example:443"',
  Refresh: '0; url=http://evil.example',
  Server: 'evil',
  Upgrade: 'h2c',
  'X-Evil': 'evil',
  'Content-Type': 'text/html',
}

type Datasource = NonNullable<Parameters<typeof staticContexts>[0]['datasources']>[number]

export interface WorldOptions extends Partial<Omit<AggregatorOptions, 'authorize' | 'plugins' | 'contexts'>> {
  /** Default: yes. */
  readonly decide?: Authorize
  readonly datasource?: Omit<Partial<Datasource>, 'uid' | 'type'>
  /** Instead of the plugin's own functions. */
  readonly plugin?: InProcessPlugin
  /** Instead of the answer of what stands behind proxied paths and backends. */
  readonly behind?: RequestListener
  readonly contexts?: (given: PluginContextProvider) => PluginContextProvider
  readonly plugins?: (given: PluginHost) => PluginHost
  /** Of plugin.json. Default: one that everybody may use, and `guarded`. */
  readonly routes?: (upstream: string) => ReadonlyArray<object>
}

export interface World {
  readonly aggregator: DataPlaneAggregator
  /** Of the server before the aggregator. */
  readonly url: string
  readonly server: Server
  /** Of what stands behind proxied paths and backends. */
  readonly upstream: string
  /** Connections to it. */
  readonly upstreamSockets: ReadonlySet<Socket>
  /** Since they were looked at last. */
  readonly take: () => {
    readonly calls: ReadonlyArray<Call>
    readonly authenticated: ReadonlyArray<string>
    readonly authorized: ReadonlyArray<RequestAttributes>
  }
  /** From now on, whoever answers waits there. `settings`: whoever asks for instance settings waits, instead. */
  readonly holdAt: (place: Place | 'settings') => void
  /** Whoever waits goes on; so does whoever comes. */
  readonly release: () => void
  /** Resolves with the calls when there are that many. */
  readonly reached: (count: number) => Promise<ReadonlyArray<Call>>
  readonly logger: ReturnType<typeof recordingLogger>
  readonly tracer: ReturnType<typeof recordingTracer>
  readonly metrics: Registry
}

const untilAborted = async (signal: AbortSignal): Promise<void> => {
  if (!signal.aborted) await once(signal, 'abort')
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

const text = (content: string): Uint8Array => Buffer.from(content)

const usualRoutes = (upstream: string): ReadonlyArray<object> => [
  { path: 'guarded', reqAction: 'p:write', url: `${upstream}/guarded` },
  { path: '', url: `${upstream}/open` },
]

/** An aggregator between a real server and whatever it may come to: a plugin that has all calls, and an HTTP server. All is told. */
export const createWorld = async (t: ExecutionContext, given: WorldOptions = {}): Promise<World> => {
  const {
    decide = () => true,
    datasource = {},
    plugin: own = {},
    behind: answering,
    contexts: decorate = (contexts: PluginContextProvider) => contexts,
    plugins: host = (plugins: PluginHost) => plugins,
    routes = usualRoutes,
    ...options
  } = given
  let calls: Call[] = []
  let authenticated: string[] = []
  let authorized: RequestAttributes[] = []
  const waiting = new Set<() => void>()
  let held: Place | 'settings' = 'nowhere'
  let open = (): void => undefined
  let opened = Promise.resolve()

  const at = async (place: Place | 'settings'): Promise<void> => {
    if (held === place) await opened
  }
  const record = (reached: Reached, told: unknown, ended: Promise<void>): void => {
    calls.push({ reached, told, ended })
    for (const look of waiting) look()
  }
  const release = (): void => {
    held = 'nowhere'
    open()
  }

  type Options = { readonly signal: AbortSignal }
  const unary =
    <Request, Answer>(reached: Reached, answer: (request: Request) => Answer) =>
    async (request: Request, { signal }: Options): Promise<Answer> => {
      record(reached, request, untilAborted(signal))
      await at('head')
      return answer(request)
    }
  const streamed = <Request, Message>(reached: Reached, ...messages: ReadonlyArray<Message>) =>
    async function* (request: Request, { signal }: Options): AsyncGenerator<Message> {
      record(reached, request, untilAborted(signal))
      // a stream that goes on and on has begun by then
      if (reached !== 'runStream') await at('head')
      for (const [index, message] of messages.entries()) {
        if (index === 1) await at('body')
        yield message
      }
    }
  const review = () => ({ allowed: true })
  const lists = Object.fromEntries(Object.entries(hostileAnswer).map(([name, value]) => [name, [value]]))
  const plugin: InProcessPlugin = {
    queryData: unary('queryData', () => ({ responses: { A: {} } })),
    queryChunkedData: streamed('queryChunkedData', { refId: 'A' }, { refId: 'A' }),
    callResource: streamed(
      'callResource',
      { status: 200, headers: lists, body: text('first ') },
      { body: text('and last') },
    ),
    checkHealth: unary('checkHealth', () => ({ status: 'OK' as const })),
    collectMetrics: unary('collectMetrics', () => ({ prometheus: text('m 1\n') })),
    subscribeStream: unary('subscribeStream', () => ({ status: 'OK' as const })),
    runStream: streamed('runStream', { data: text('{"n":1}') }, { data: text('{"n":2}') }),
    publishStream: unary('publishStream', () => ({ status: 'OK' as const })),
    validateAdmission: unary('validateAdmission', review),
    mutateAdmission: unary('mutateAdmission', review),
    convertObjects: unary('convertObjects', () => ({
      objects: [{ raw: text('{"apiVersion":"g/v2","kind":"K"}'), contentType: 'application/json' }],
    })),
    ...own,
  }

  const listener: RequestListener = (request, response) => {
    const ended = once(response, 'close').then(() => undefined)
    const { method, url, rawHeaders } = request
    const answer = async (): Promise<void> => {
      const body = await bodyOf(request)
      record('upstream', { method, url, rawHeaders, body }, ended)
      await at('head')
      // more than what may lie on the way, so that what comes later comes by itself
      response.writeHead(200, hostileAnswer).write('first ')
      await at('body')
      response.end('and last')
    }
    answer().catch(() => response.destroy())
  }
  const behind = createHttpServer(answering ?? listener)
  // a request may meet the end of a connection that was kept too long
  behind.keepAliveTimeout = 60_000
  const sockets = new Set<Socket>()
  behind.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  const upstream = await listen(t, behind)

  const inside = inProcess({ p: plugin })
  const pluginJson = { id: 'p', type: 'datasource' as const, routes: [...routes(upstream)] }
  const plugins: PluginHost = {
    ...inside,
    plugin: (id) => {
      const installed = inside.plugin(id)
      return installed === undefined ? undefined : { ...installed, pluginJson }
    },
  }
  const table = staticContexts({
    datasources: ['d1', 'd2'].map((uid) => ({ uid, type: 'p', url: `${upstream}/datasource`, ...datasource })),
    apps: [{ type: 'p', jsonData: datasource.jsonData ?? {}, secureJsonData: datasource.secureJsonData ?? {} }],
  })
  const contexts: PluginContextProvider = {
    getInstanceSettings: (request, signal) => async () => {
      if (held === 'settings') record('settings', request, untilAborted(signal))
      await at('settings')
      return table.getInstanceSettings(request, signal)()
    },
  }
  const logger = recordingLogger()
  const tracer = recordingTracer()
  const metrics = new Registry()
  const aggregator = dataPlaneAggregator({
    source: memorySource([...manifests(upstream)]),
    plugins: host(plugins),
    contexts: decorate(contexts),
    logger,
    tracer,
    metrics,
    authenticate: ({ url = '', headers }) => {
      authenticated.push(url)
      const who = headers['x-who']
      return typeof who === 'string' ? { name: who, groups: ['people'], tokens: { access: `of-${who}` } } : undefined
    },
    authorize: (attributes) => {
      authorized.push(attributes)
      return decide(attributes)
    },
    ...options,
  })
  t.teardown(() => {
    release()
    return aggregator.close()
  })
  await aggregator.ready
  const server = createServer(express().use(aggregator))
  // a client that reuses a connection just when it is closed would be told of nothing
  server.keepAliveTimeout = 60_000
  aggregator.upgrade(server)
  return {
    aggregator,
    url: await listen(t, server),
    server,
    upstream,
    upstreamSockets: sockets,
    take: () => {
      const taken = { calls, authenticated, authorized }
      calls = []
      authenticated = []
      authorized = []
      return taken
    },
    holdAt: (place) => {
      held = place
      opened = new Promise((resolve) => (open = resolve))
    },
    release,
    reached: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (calls.length < count) return
          waiting.delete(look)
          resolve(calls)
        }
        waiting.add(look)
        look()
      }),
    logger,
    tracer,
    metrics,
  }
}
