import { safeLogger, silentLogger, type Logger } from '../logger.ts'
import type { DataFrameFormat } from '../plugin.ts'
import { withDefaults } from './defaults.ts'
import { checkKinds, type Kinds } from './option-kinds.ts'

export interface Backoff {
  readonly initialMs: number
  readonly maxMs: number
  /** A process that served this long starts the count of failures anew. */
  readonly resetAfterMs: number
}

/** How often a plugin's process is asked whether it serves, and what follows. */
export interface Probe {
  readonly intervalMs: number
  /** Time for one answer. */
  readonly timeoutMs: number
  /** So many failures in a row make it unhealthy: its calls fail at once with 503. */
  readonly failures: number
  /** So many successes in a row make it ready again. */
  readonly successes: number
  /** So many failures in a row, and it is killed and started again. */
  readonly restartAfter: number
}

export interface PluginOptions {
  /** Told of each change of a plugin's state, and given the plugins' own logs with the field `plugin`. */
  readonly logger?: Logger
  /** Largest answer, or message of a streamed answer, taken from a plugin. Default: 64 MiB. */
  readonly receiveLimitBytes?: number
  /** Largest request sent to a plugin. Default: 64 MiB; what a plugin itself takes is up to its author, 16 MiB by default. */
  readonly sendLimitBytes?: number
  /** Most frames, and most responses, taken in one answer: each costs memory, however few its bytes. Default: 10,000; at least 1. */
  readonly maxFrames?: number
  /**
   * Bytes of all answers in flight, from when each has arrived to when its client has it; then calls are refused with 429. What is
   * still arriving comes on top: `inFlight` times `receiveLimitBytes` a plugin at most. Default: 512 MiB.
   */
  readonly answerBytes?: number
  /** Calls to one plugin at once; those that go on and on (streams, chunked queries) until their first message. Default: 50. */
  readonly inFlight?: number
  /** Calls to one plugin that wait for a place, the namespaces taking turns; then calls are refused with 429. Default: 100. */
  readonly queue?: number
  /**
   * By plugin id: the format of frames to ask for, `arrow` or `json`. Default: `arrow`. A Go plugin takes up to 5 times the CPU to
   * write JSON, and large answers twice as long; it saves us a fifth of ours on answers of up to 1 MB. Plugins built before 2025
   * know Arrow alone, and send that. Chunked queries ask for `json`, whatever this says: of a frame in pieces, only the first then
   * carries its metadata.
   */
  readonly frameFormat?: Readonly<Record<string, DataFrameFormat>>
  /** How long a request waits for a plugin that starts. Default: 5 s. */
  readonly startWaitMs?: number
  /** How long running calls may go on once the host closes, or the plugin is replaced. Default: 5 s. */
  readonly drainMs?: number
  /** Before a restart. Default: 1 s, doubled at each failure up to 60 s, less some jitter, anew after 5 min of service. */
  readonly backoff?: Partial<Backoff>
  /** So many failures in a row are a crash loop. Default: 3. */
  readonly crashLoopAfter?: number
  /** Default: every 10 s, 5 s for the answer, 3 failures down, 1 success up, a restart after 6 failures. */
  readonly probe?: Partial<Probe>
  /** What one plugin may have logged, where a line counts once for each KiB begun; the rest is counted. Default: 1000. */
  readonly logLinesPerSecond?: number
  /** Start all plugins now, a few at a time, instead of each at its first request. Default: true. */
  readonly prewarm?: boolean
  /** Plugins started at once by `prewarm`: each one takes a core for a moment. Default: 4. */
  readonly startsAtOnce?: number
}

export interface PluginDirectoryOptions extends PluginOptions {
  /** Environment variables for all plugins, such as `GF_INSTANCE_OTLP_ADDRESS`. Of the host's own only a short list is passed on. */
  readonly env?: Readonly<Record<string, string>>
  /** By plugin id: `{ testds: { max_rows: '100' } }` gives that plugin `GF_PLUGIN_MAX_ROWS`. */
  readonly settings?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** By plugin id: SHA-256 of the executable, hexadecimal. Another file is never run. */
  readonly sha256?: Readonly<Record<string, string>>
  /**
   * TLS with a certificate of its own on each side, made anew for each process. Where the kernel does not end it with its host, its
   * key lies in the private run directory, so that the next host can end it. Default: false, as in Grafana.
   */
  readonly autoMTLS?: boolean
  /** Linux: the kernel ends plugins whose host is gone, where `setpriv` of util-linux is installed. Default: true. */
  readonly dieWithHost?: boolean
  /** Time for a process to serve. Default: 60 s, as in go-plugin. */
  readonly startTimeoutMs?: number
  /** How long a process may take to end before it is killed. Default: 2 s, as in go-plugin. */
  readonly stopGraceMs?: number
  /** How much of a plugin's stderr is kept for its post-mortem. Default: 64 KiB. */
  readonly stderrBytes?: number
}

type Complete<Options> = Required<Omit<Options, 'backoff' | 'probe'>> & {
  readonly backoff: Backoff
  readonly probe: Probe
}

/** What any host of plugins needs to know. */
export type PluginSettings = Complete<PluginOptions>
/** What a host that runs processes needs to know. */
export type Settings = Complete<PluginDirectoryOptions>

const pluginDefaults: PluginSettings = Object.freeze({
  logger: silentLogger,
  receiveLimitBytes: 64 * 1024 * 1024,
  sendLimitBytes: 64 * 1024 * 1024,
  maxFrames: 10_000,
  answerBytes: 512 * 1024 * 1024,
  inFlight: 50,
  queue: 100,
  frameFormat: {},
  startWaitMs: 5_000,
  drainMs: 5_000,
  backoff: Object.freeze({ initialMs: 1_000, maxMs: 60_000, resetAfterMs: 300_000 }),
  crashLoopAfter: 3,
  probe: Object.freeze({ intervalMs: 10_000, timeoutMs: 5_000, failures: 3, successes: 1, restartAfter: 6 }),
  logLinesPerSecond: 1_000,
  prewarm: true,
  startsAtOnce: 4,
})

const directoryDefaults: Settings = Object.freeze({
  ...pluginDefaults,
  env: {},
  settings: {},
  sha256: {},
  autoMTLS: false,
  dieWithHost: true,
  startTimeoutMs: 60_000,
  stopGraceMs: 2_000,
  stderrBytes: 64 * 1024,
})

const amount = 'a whole number from 1 to 2147483647'

const expectedOfAny: Kinds<PluginOptions> = {
  logger: 'a logger',
  receiveLimitBytes: amount,
  sendLimitBytes: amount,
  maxFrames: amount,
  answerBytes: 'a whole number above 0',
  inFlight: amount,
  queue: 'a whole number from 0 to 2147483647',
  frameFormat: 'an object of "arrow" or "json"',
  startWaitMs: amount,
  drainMs: amount,
  backoff: 'an object',
  crashLoopAfter: amount,
  probe: 'an object',
  logLinesPerSecond: amount,
  prewarm: 'true or false',
  startsAtOnce: amount,
}

const expectedOfDirectory: Kinds<PluginDirectoryOptions> = {
  ...expectedOfAny,
  env: 'an object of strings',
  settings: 'an object of objects of strings',
  sha256: 'an object of SHA-256 sums in hexadecimal',
  autoMTLS: 'true or false',
  dieWithHost: 'true or false',
  startTimeoutMs: amount,
  stopGraceMs: amount,
  stderrBytes: amount,
}

const expectedOfBackoff: Kinds<Backoff> = { initialMs: amount, maxMs: amount, resetAfterMs: amount }

const expectedOfProbe: Kinds<Probe> = {
  intervalMs: amount,
  timeoutMs: amount,
  failures: amount,
  successes: amount,
  restartAfter: amount,
}

const checkParts = ({ backoff = {}, probe = {} }: PluginOptions): void => {
  checkKinds(backoff, expectedOfBackoff, 'plugins.backoff.')
  checkKinds(probe, expectedOfProbe, 'plugins.probe.')
}

const checkPluginOptions = (options: PluginOptions): void => {
  checkKinds(options, expectedOfAny, 'plugins.')
  checkParts(options)
}

const checkDirectoryOptions = (options: PluginDirectoryOptions): void => {
  checkKinds(options, expectedOfDirectory, 'plugins.')
  checkParts(options)
}

interface Parts {
  readonly logger: Logger | undefined
  readonly backoff: Partial<Backoff> | undefined
  readonly probe: Partial<Probe> | undefined
}

const partsOf = ({ logger, backoff, probe }: Parts): Pick<PluginSettings, keyof Parts> => ({
  logger: safeLogger(logger ?? silentLogger),
  backoff: withDefaults<Backoff>(backoff ?? {}, pluginDefaults.backoff),
  probe: withDefaults<Probe>(probe ?? {}, pluginDefaults.probe),
})

/** Checks the options of a host without processes of its own and fills in the defaults. Throws a TypeError that names the option. */
export const toPluginSettings = (options: PluginOptions): PluginSettings => {
  checkPluginOptions(options)
  const { logger, backoff, probe, ...rest } = options
  return { ...withDefaults<PluginSettings>(rest, pluginDefaults), ...partsOf({ logger, backoff, probe }) }
}

/** Checks the options of `pluginDirectory` and fills in the defaults. Throws a TypeError that names the option. */
export const toSettings = (options: PluginDirectoryOptions): Settings => {
  checkDirectoryOptions(options)
  const { logger, backoff, probe, ...rest } = options
  return { ...withDefaults<Settings>(rest, directoryDefaults), ...partsOf({ logger, backoff, probe }) }
}
