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

/** The same logger, except that it never throws: a full disk must not stop what the log only tells of. */
export const safeLogger = (logger: Logger): Logger => {
  const attempt =
    (level: keyof Logger) =>
    // As many arguments as were given: `console` prints an `undefined`, too.
    (...line: Parameters<Logger['debug']>): void => {
      try {
        const logged: unknown = logger[level](...line)
        if (logged instanceof Promise) logged.catch(ignore)
      } catch {
        // Nobody is left to tell.
      }
    }
  return { debug: attempt('debug'), info: attempt('info'), warn: attempt('warn'), error: attempt('error') }
}
