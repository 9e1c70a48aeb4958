import type { Connection } from '../grpc/connection.ts'
import { createLineSplitter } from './lines.ts'
import { createLogReader, type LogOptions } from './logs.ts'

const reopenDelayMs = 1_000

/**
 * Logs what the plugin prints by way of gRPC: unread, it would block whoever prints. The stream is opened again when it breaks, of
 * which `onLost` hears, until the function that is given back is called: the process is gone, or was asked to go.
 */
export const readStdio = (connection: Connection, log: LogOptions, onLost: () => void): (() => void) => {
  let isEnded = false
  let reopening: NodeJS.Timeout | undefined

  const open = (): void => {
    const stdout = createLineSplitter(createLogReader(log))
    const stderr = createLineSplitter(createLogReader(log))
    connection.readStdio(
      (channel, data) => {
        if (channel === 'stderr') stderr.push(data)
        else stdout.push(data)
      },
      () => {
        stdout.end()
        stderr.end()
        if (isEnded) return
        onLost()
        reopening = setTimeout(open, reopenDelayMs).unref()
      },
    )
  }

  open()
  return () => {
    isEnded = true
    clearTimeout(reopening)
  }
}
