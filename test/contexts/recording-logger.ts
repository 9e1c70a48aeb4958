import type { LogFields, Logger } from '../../src/logger.ts'

interface Line {
  readonly level: keyof Logger
  readonly message: string
  readonly fields: LogFields | undefined
}

export interface RecordingLogger extends Logger {
  readonly lines: ReadonlyArray<Line>
  /** The first line from `from` on, seen or yet to come, whose message holds this text. */
  line(text: string, from?: number): Promise<Line>
}

export const recordingLogger = (): RecordingLogger => {
  const lines: Line[] = []
  const waiting = new Set<() => void>()
  const log =
    (level: keyof Logger) =>
    (message: string, fields?: LogFields): void => {
      lines.push({ level, message, fields })
      for (const check of waiting) check()
    }
  return {
    lines,
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    line: (text, from = 0) =>
      new Promise((resolve) => {
        const check = (): void => {
          const line = lines.slice(from).find(({ message }) => message.includes(text))
          if (line === undefined) return
          waiting.delete(check)
          resolve(line)
        }
        waiting.add(check)
        check()
      }),
  }
}
