import type { LogFields, Logger } from 'dataplane-aggregator'

const levels = ['debug', 'info', 'warn', 'error'] as const
const threshold = levels.findIndex((level) => level === (process.env['LOG_LEVEL'] ?? 'warn'))

const write =
  (level: (typeof levels)[number]) =>
  (message: string, fields: LogFields = {}): void => {
    if (levels.indexOf(level) < threshold) return
    const readable = (_key: string, value: unknown): unknown => (value instanceof Error ? value.message : value)
    console.error(JSON.stringify({ level, message, ...fields }, readable))
  }

/** One JSON line an event on stderr; `LOG_LEVEL` is debug, info, warn (the default) or error. */
export const logger: Logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
