import type { LogFields, Logger } from '../../logger.ts'
import type { LogBudget } from './log-budget.ts'
import type { Secrets } from './secrets.ts'

type Level = 'debug' | 'info' | 'warn' | 'error'

const levels: ReadonlyMap<string, Level> = new Map([
  ['trace', 'debug'],
  ['debug', 'debug'],
  ['info', 'info'],
  ['warn', 'warn'],
  ['error', 'error'],
])

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const parseObject = (line: string): Readonly<Record<string, unknown>> | undefined => {
  if (!line.startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(line)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

interface Entry {
  readonly level: Level
  readonly message: string
  readonly fields: LogFields
}

/** One object of hclog. A key of the wrong type makes it a plain line: a plugin's types are not to be trusted. */
const parseHclog = (line: string): Entry | undefined => {
  const object = parseObject(line)
  if (object === undefined) return undefined
  const { '@level': name, '@message': message, '@timestamp': _timestamp, ...fields } = object
  const level = typeof name === 'string' ? levels.get(name.toLowerCase()) : undefined
  return level === undefined || typeof message !== 'string' ? undefined : { level, message, fields }
}

const parseTagged = (line: string): Entry | undefined => {
  const tag = /^\[(TRACE|DEBUG|INFO|WARN|ERROR)\]/.exec(line)?.[1]
  const level = tag === undefined ? undefined : levels.get(tag.toLowerCase())
  return level && { level, message: line, fields: {} }
}

/** What a text in the line stood for may be a secret only now: it was an escape before. */
const strikeField = (value: unknown, strike: Secrets['strike']): unknown => {
  if (typeof value === 'string') return strike(value)
  if (typeof value !== 'object' || value === null) return value
  try {
    // written once more, it has no needless escapes
    return JSON.parse(strike(JSON.stringify(value)))
  } catch {
    return 'a value that is nested too deep'
  }
}

const strikeFields = (fields: LogFields, strike: Secrets['strike']): LogFields =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [strike(name), strikeField(value, strike)]))

export interface LogOptions {
  readonly logger: Logger
  readonly pluginId: string
  readonly budget: LogBudget
  readonly secrets: Pick<Secrets, 'strike'>
}

/** Passes on the lines of one stream. */
export type LogReader = (line: string) => void

/**
 * Passes the lines of one stream of a plugin on to the logger, each with the field `plugin`, without secrets. Once a line starts a
 * Go crash dump, everything untagged after it is an error; that line comes through whatever the budget says. Source: client.go of
 * go-plugin.
 */
export const createLogReader = ({ logger, pluginId, budget, secrets: { strike } }: LogOptions): LogReader => {
  let isCrashing = false
  return (line) => {
    if (line === '') return
    const isCrash = !isCrashing && (line.startsWith('panic: ') || line.startsWith('fatal error: '))
    isCrashing ||= isCrash
    if (!isCrash && !budget.take(line)) return
    const struck = strike(line)
    const untagged: Entry = { level: isCrashing ? 'error' : 'debug', message: struck, fields: {} }
    const { level, message, fields } = parseHclog(struck) ?? parseTagged(struck) ?? untagged
    logger[level](strike(message), { ...strikeFields(fields, strike), plugin: pluginId })
  }
}
