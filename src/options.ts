import type { Authorize } from './authorization.ts'
import type { Authenticate } from './express/user.ts'
import type { Deadlines } from './layers/deadline.ts'
import type { InFlightLimits } from './layers/limits.ts'
import { integerOption } from './integer-option.ts'
import { safeLogger, silentLogger, type Logger } from './logger.ts'
import type { PluginContextProvider, PluginHost } from './plugin.ts'
import { toProxySettings, type ProxyOptions, type ProxySettings } from './proxy/index.ts'
import { isWritable, type DataPlaneServiceSource } from './source.ts'
import type { MetricsRegistry, Tracer } from './telemetry/index.ts'

/** Bounds of a claimed request; each refusal names its option. */
export interface LimitOptions {
  /** Largest request body, bytes. Default 3 MiB, as in the Kubernetes apiserver. A plugin takes 16 MiB at most. */
  readonly bodyBytes?: number
  /** Time for a whole request, ms. Default 60000, as in the Kubernetes apiserver. */
  readonly requestTimeoutMs?: number
  /** Time for a request that goes on and on (a stream, a chunked query), ms. Default 1800000, as in the Kubernetes apiserver. */
  readonly longRunningTimeoutMs?: number
  /**
   * Requests under way at once. Default 400 reads and 200 writes, as in the Kubernetes apiserver, and 1000 that go on and on
   * (streams, chunked queries), which take none of those places.
   */
  readonly inFlight?: Partial<InFlightLimits>
  /** How long `close()` waits for requests under way before it cancels them, ms. Default 25000. */
  readonly drainMs?: number
  /** How long a client may take nothing of its answer before it is cut, ms. Default 30000. */
  readonly stallMs?: number
}

/**
 * Names of headers that cross beside the usual ones: those that say what a resource is, and how it is to be given (Accept, Range, Etag,
 * Content-*, If-*), and what Grafana's front end tells of itself. None that logs in, tells who asks, or belongs to the connection.
 */
export interface HeaderOptions {
  /** Of requests, to plugins' resources and to what stands behind proxied paths. */
  readonly request?: ReadonlyArray<string>
  /** Of answers, to clients. */
  readonly response?: ReadonlyArray<string>
}

export interface StreamOptions {
  /**
   * Whether each user has a RunStream of his own, and the plugin is told who he is. Default: no; all readers of a stream share one, and
   * the plugin is told of none of them in it.
   */
  readonly perUser?: boolean
}

export interface AggregatorOptions {
  /** Where DataPlaneService objects come from: `fileSource(dir)`, `memorySource()`. */
  readonly source: DataPlaneServiceSource
  /** Where plugins live: `pluginDirectory(dir)`, `attachedPlugins({...})`, `inProcess({...})`, or several: `pluginHosts(...)`. */
  readonly plugins: PluginHost
  /** Where instance settings and secrets come from: `provisionedContexts(file)`, `staticContexts({...})`. */
  readonly contexts: PluginContextProvider
  /** Default: says nothing. `console` fits. `pluginDirectory` and `provisionedContexts` take one of their own. */
  readonly logger?: Logger
  /**
   * Says who asks; nobody is 401. `frontProxyUser` trusts headers. Default: `req.user`, whatever the host's middlewares left there; a
   * request without one goes on, and `authorize` is asked about it.
   */
  readonly authenticate?: Authenticate
  /** Headers that cross beside the usual ones. Default: none. */
  readonly headers?: HeaderOptions
  /** Asked for each claimed request. Default: everything is allowed, for a host that authorizes before it comes here. */
  readonly authorize?: Authorize
  /** Sizes, times and numbers of requests. */
  readonly limits?: LimitOptions
  /** Where proxied paths may lead, and what is kept for them. */
  readonly proxy?: ProxyOptions
  /** Who shares a stream. */
  readonly streams?: StreamOptions
  /**
   * Whether the objects of the source are served as a Kubernetes API, for kubectl: at
   * `/apis/aggregation.grafana.app/v0alpha1/dataplaneservices`. Default: `true` where the source keeps them itself (memory, file), else
   * never. Who may write them is the business of `authorize`, or of what stands before us.
   */
  readonly registry?: boolean | 'read-only'
  /**
   * Whether `/apis` and `/openapi` tell of claimed groups, together with what the handler mounted after us says there. Default: `true`.
   */
  readonly discovery?: boolean
  /** A `Registry` of prom-client that gets the request metrics; aggregators may share one. Default: no metrics. */
  readonly metrics?: MetricsRegistry
  /** Default: the global tracer of @opentelemetry/api, which does nothing until the host starts an SDK. */
  readonly tracer?: Tracer
  /** Told to plugins. Shape: `Grafana/12.4.0 (linux; amd64)`; the plugin SDK ignores any other form. */
  readonly userAgent?: string
}

/** Options with every default filled in. */
export interface Settings {
  readonly source: DataPlaneServiceSource
  readonly plugins: PluginHost
  readonly contexts: PluginContextProvider
  readonly logger: Logger
  readonly authenticate: Authenticate | undefined
  readonly authorize: Authorize | undefined
  readonly headers: Required<HeaderOptions>
  readonly proxy: ProxySettings
  readonly streams: Required<StreamOptions>
  readonly registry: 'none' | 'read-only' | 'writable'
  readonly discovery: boolean
  readonly metrics: MetricsRegistry | undefined
  readonly tracer: Tracer | undefined
  readonly bodyBytes: number
  readonly deadlines: Deadlines
  readonly inFlight: InFlightLimits
  readonly drainMs: number
  readonly stallMs: number
  readonly userAgent: string
}

export const defaults = Object.freeze({
  logger: silentLogger,
  bodyBytes: 3 * 1024 * 1024,
  requestTimeoutMs: 60_000,
  longRunningTimeoutMs: 1_800_000,
  reads: 400,
  writes: 200,
  longRunning: 1000,
  drainMs: 25_000,
  stallMs: 30_000,
  userAgent: 'Grafana/12.4.0 (linux; amd64)',
})

const wrong = (option: string, expected: string, value: unknown): TypeError =>
  new TypeError(`expected option ${option} to be ${expected}, got ${value === null ? 'null' : typeof value}`)

const has = (value: unknown, ...methods: ReadonlyArray<string>): boolean =>
  typeof value === 'object' &&
  value !== null &&
  methods.every((method) => typeof Reflect.get(value, method) === 'function')

const isUnsetOr = (value: unknown, ...methods: ReadonlyArray<string>): boolean =>
  value === undefined || has(value, ...methods)

const isUnsetOrBoolean = (value: unknown): boolean => value === undefined || typeof value === 'boolean'

const check = (isRight: boolean, option: string, expected: string, value: unknown): void => {
  if (!isRight) throw wrong(option, expected, value)
}

/** Every name there is: a misspelt `authorize` must not mean that everything is allowed. */
const known = {
  '': [
    'source',
    'plugins',
    'contexts',
    'logger',
    'authenticate',
    'authorize',
    'headers',
    'limits',
    'proxy',
    'streams',
    'registry',
    'discovery',
    'metrics',
    'tracer',
    'userAgent',
  ],
  'headers.': ['request', 'response'],
  'streams.': ['perUser'],
  'limits.': ['bodyBytes', 'requestTimeoutMs', 'longRunningTimeoutMs', 'inFlight', 'drainMs', 'stallMs'],
  'limits.inFlight.': ['reads', 'writes', 'longRunning'],
} as const

const refuseUnknown = (prefix: keyof typeof known, given: object): void => {
  const names: ReadonlyArray<string> = known[prefix]
  const unknown = Object.keys(given).find((name) => !names.includes(name))
  if (unknown !== undefined) throw new TypeError(`unknown option ${prefix}${unknown}, known: ${names.join(', ')}`)
}

/** What a plugin or a datasource must never be given, and no client of theirs: not even by a slip of the pen. */
const forbiddenHeader = new RegExp(
  `^(?:${[
    // who logs in, who asks, where from
    ...['authorization', 'cookie', 'set-cookie', 'proxy-.*', 'x-remote-.*', 'impersonate-.*'],
    ...['x-grafana-id', 'x-grafana-user', 'x-id-token', 'forwarded', 'x-forwarded-.*'],
    // of the connection
    ...[
      'host',
      'connection',
      'keep-alive',
      'te',
      'trailer',
      'transfer-encoding',
      'upgrade',
      'content-length',
      'expect',
    ],
  ].join('|')})$`,
)

const headerNames = (list: keyof HeaderOptions, given: unknown = []): ReadonlyArray<string> => {
  const option = `headers.${list}`
  if (!Array.isArray(given)) throw wrong(option, 'a list of header names', given)
  return given.map((name: unknown) => {
    if (typeof name !== 'string' || !/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name))
      throw wrong(option, 'a list of header names', name)
    if (forbiddenHeader.test(name.toLowerCase())) throw new TypeError(`option ${option}: "${name}" never crosses`)
    return name.toLowerCase()
  })
}

/** Somebody else serves the objects that a source only follows. */
const registryOf = (source: DataPlaneServiceSource, given: boolean | 'read-only'): Settings['registry'] => {
  if (given === false || !isWritable(source)) return 'none'
  return given === true ? 'writable' : 'read-only'
}

/** Checks options and fills in defaults; the caller's object is never written to. Throws a TypeError that names the option. */
export const toSettings = (options: AggregatorOptions): Settings => {
  const given: unknown = options
  check(typeof given === 'object' && given !== null, 'options', 'an object', given)
  const {
    source,
    plugins,
    contexts,
    logger = defaults.logger,
    authenticate,
    authorize,
    headers = {},
    limits = {},
    proxy,
    streams = {},
    registry = true,
    discovery = true,
    metrics,
    tracer,
    userAgent = defaults.userAgent,
  } = options
  check(has(source, 'subscribe'), 'source', 'a DataPlaneServiceSource such as fileSource(dir)', source)
  check(has(plugins, 'plugin', 'close'), 'plugins', 'a PluginHost such as pluginDirectory(dir)', plugins)
  check(
    has(contexts, 'getInstanceSettings'),
    'contexts',
    'a PluginContextProvider such as provisionedContexts(file)',
    contexts,
  )
  check(has(logger, 'debug', 'info', 'warn', 'error'), 'logger', 'an object with debug, info, warn and error', logger)
  check(authenticate === undefined || typeof authenticate === 'function', 'authenticate', 'a function', authenticate)
  check(has(streams), 'streams', 'an object', streams)
  check(isUnsetOrBoolean(streams.perUser), 'streams.perUser', 'true or false', streams.perUser)
  check(registry === 'read-only' || typeof registry === 'boolean', 'registry', 'true, false or "read-only"', registry)
  check(typeof discovery === 'boolean', 'discovery', 'true or false', discovery)
  check(has(headers), 'headers', 'an object', headers)
  check(authorize === undefined || typeof authorize === 'function', 'authorize', 'a function', authorize)
  check(isUnsetOr(metrics, 'getSingleMetric', 'registerMetric'), 'metrics', 'a Registry of prom-client', metrics)
  check(isUnsetOr(tracer, 'startSpan'), 'tracer', 'a Tracer of @opentelemetry/api', tracer)
  check(has(limits), 'limits', 'an object', limits)
  check(isUnsetOr(limits.inFlight), 'limits.inFlight', 'an object', limits.inFlight)
  refuseUnknown('', options)
  refuseUnknown('streams.', streams)
  refuseUnknown('headers.', headers)
  refuseUnknown('limits.', limits)
  refuseUnknown('limits.inFlight.', limits.inFlight ?? {})
  check(typeof userAgent === 'string', 'userAgent', 'a string', userAgent)
  return {
    source,
    plugins,
    contexts,
    logger: safeLogger(logger),
    authenticate,
    authorize,
    proxy: toProxySettings(proxy),
    streams: { perUser: streams.perUser ?? false },
    registry: registryOf(source, registry),
    discovery,
    headers: { request: headerNames('request', headers.request), response: headerNames('response', headers.response) },
    metrics,
    tracer,
    bodyBytes: integerOption('limits.bodyBytes', limits.bodyBytes, defaults.bodyBytes, 1),
    deadlines: {
      requestTimeoutMs: integerOption('limits.requestTimeoutMs', limits.requestTimeoutMs, defaults.requestTimeoutMs, 1),
      longRunningTimeoutMs: integerOption(
        'limits.longRunningTimeoutMs',
        limits.longRunningTimeoutMs,
        defaults.longRunningTimeoutMs,
        1,
      ),
    },
    inFlight: {
      reads: integerOption('limits.inFlight.reads', limits.inFlight?.reads, defaults.reads, 1),
      writes: integerOption('limits.inFlight.writes', limits.inFlight?.writes, defaults.writes, 1),
      longRunning: integerOption('limits.inFlight.longRunning', limits.inFlight?.longRunning, defaults.longRunning, 1),
    },
    drainMs: integerOption('limits.drainMs', limits.drainMs, defaults.drainMs, 0),
    stallMs: integerOption('limits.stallMs', limits.stallMs, defaults.stallMs, 1),
    userAgent,
  }
}
