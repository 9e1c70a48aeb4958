import type { LogFields, Logger } from '../../src/logger.ts'

export interface Line {
  readonly level: keyof Logger
  readonly message: string
  readonly fields: LogFields | undefined
}

/** A logger that keeps what it is told. */
export const recordingLogger = (): Logger & { readonly lines: ReadonlyArray<Line> } => {
  const lines: Line[] = []
  const at =
    (level: keyof Logger) =>
    (message: string, fields?: LogFields): void => {
      lines.push({ level, message, fields })
    }
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
