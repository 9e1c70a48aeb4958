/** Facts of a log line, as key and value. Never a secret, a request body or a stack of a client's making. */
export type LogFields = Readonly<Record<string, unknown>>

/**
 * What the aggregator logs to: four levels, a message, fields. `console` fits; pino and winston fit with one line of
 * adapter. Nothing in the library writes to `console` by itself.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

const ignore = (): void => undefined

/** The default: says nothing. */
export const silentLogger: Logger = Object.freeze({ debug: ignore, info: ignore, warn: ignore, error: ignore })
