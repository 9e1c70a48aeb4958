import { safeLogger, silentLogger, type Logger } from '../logger.ts'
import { withDefaults } from './defaults.ts'
import type { Backoff } from './process/supervisor.ts'

export interface PluginDirectoryOptions {
  /** Told of each change of a plugin's state, and given the plugins' own logs with the field `plugin`. */
  readonly logger?: Logger
  /** Environment variables for all plugins, such as `GF_INSTANCE_OTLP_ADDRESS`. Of the host's own only a short list is passed on. */
  readonly env?: Readonly<Record<string, string>>
  /** By plugin id: `{ testds: { max_rows: '100' } }` gives that plugin `GF_PLUGIN_MAX_ROWS`. */
  readonly settings?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Largest answer taken from a plugin. Default: 64 MiB. */
  readonly receiveLimitBytes?: number
  /** Most frames, and most responses, taken in one answer: each costs memory, however few its bytes. Default: 10,000; at least 1. */
  readonly maxFrames?: number
  /** Time for a process to serve. Default: 60 s, as in go-plugin. */
  readonly startTimeoutMs?: number
  /** How long a request waits for a plugin that starts. Default: 5 s. */
  readonly startWaitMs?: number
  /** How long running calls may go on once the host closes. Default: 5 s. */
  readonly drainMs?: number
  /** How long a process may take to end before it is killed. Default: 2 s, as in go-plugin. */
  readonly stopGraceMs?: number
  /** Before a restart. Default: 1 s, doubled at each failure up to 60 s, anew after 5 min of service. */
  readonly backoff?: Partial<Backoff>
  /** Start all plugins now, a few at a time, instead of each at its first request. Default: true. */
  readonly prewarm?: boolean
}

export type Settings = Required<Omit<PluginDirectoryOptions, 'backoff'>> & { readonly backoff: Backoff }

const defaults: Settings = Object.freeze({
  logger: silentLogger,
  env: {},
  settings: {},
  receiveLimitBytes: 64 * 1024 * 1024,
  maxFrames: 10_000,
  startTimeoutMs: 60_000,
  startWaitMs: 5_000,
  drainMs: 5_000,
  stopGraceMs: 2_000,
  backoff: Object.freeze({ initialMs: 1_000, maxMs: 60_000, resetAfterMs: 300_000 }),
  prewarm: true,
})

// the longest delay that a timer takes; more than that fires at once
const maxNumber = 2 ** 31 - 1

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** NUL ends a C string: no process can be given such a variable. */
const isStrings = (value: unknown): boolean =>
  isObject(value) && Object.values(value).every((entry) => typeof entry === 'string' && !entry.includes('\0'))

const kinds = {
  'a logger': (value: unknown): boolean => isObject(value) && 'debug' in value && 'error' in value,
  'an object of strings': isStrings,
  'an object of objects of strings': (value: unknown): boolean =>
    isObject(value) && Object.values(value).every(isStrings),
  'a whole number above 0': (value: unknown): boolean =>
    typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= maxNumber,
  'true or false': (value: unknown): boolean => typeof value === 'boolean',
  'an object': isObject,
}
type Kind = keyof typeof kinds

const expected: Readonly<Record<keyof Settings, Kind>> = {
  logger: 'a logger',
  env: 'an object of strings',
  settings: 'an object of objects of strings',
  receiveLimitBytes: 'a whole number above 0',
  maxFrames: 'a whole number above 0',
  startTimeoutMs: 'a whole number above 0',
  startWaitMs: 'a whole number above 0',
  drainMs: 'a whole number above 0',
  stopGraceMs: 'a whole number above 0',
  backoff: 'an object',
  prewarm: 'true or false',
}

const expectedBackoff: Readonly<Record<keyof Backoff, Kind>> = {
  initialMs: 'a whole number above 0',
  maxMs: 'a whole number above 0',
  resetAfterMs: 'a whole number above 0',
}

/** Throws a TypeError that names the option; the value is left out, as it may be a secret. */
const check = (options: object, table: Readonly<Record<string, Kind>>, prefix: string): void => {
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(table, name) ? table[name] : undefined
    if (kind === undefined) throw new TypeError(`unknown option ${prefix}${name}`)
    if (value !== undefined && !kinds[kind](value))
      throw new TypeError(`option ${prefix}${name}: expected ${kind}, got ${typeof value}`)
  }
}

/** Checks options and fills in the defaults. */
export const toSettings = (options: PluginDirectoryOptions): Settings => {
  check(options, expected, 'plugins.')
  const { backoff = {}, ...rest } = options
  check(backoff, expectedBackoff, 'plugins.backoff.')
  const settings = withDefaults<Settings>({ ...rest, backoff: withDefaults(backoff, defaults.backoff) }, defaults)
  return { ...settings, logger: safeLogger(settings.logger) }
}
