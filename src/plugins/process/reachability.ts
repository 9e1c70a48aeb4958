import type { Logger } from '../../logger.ts'
import type { Connection } from '../grpc/connection.ts'
import type { Child } from './child.ts'
import { createLineSplitter } from './lines.ts'
import type { LogBudget } from './log-budget.ts'
import { createLogReader } from './logs.ts'

const probeTimeoutMs = 5_000
const reopenDelayMs = 1_000

/** Tells a process that lives from one that can be called. */
export interface Reachability {
  /** Looks whether the process still answers, and kills it if not. */
  suspect(): void
  /** The process is gone, or was asked to go. */
  end(): void
}

/**
 * Reads what the plugin prints by way of gRPC for as long as it lives, and checks its health when that stream breaks. A process
 * whose socket file was removed never makes another one: alive but unreachable is as good as dead, so it is killed.
 */
export const watchReachability = (
  child: Child,
  connection: Connection,
  logger: Logger,
  pluginId: string,
  budget: LogBudget,
): Reachability => {
  let isProbing = false
  let isEnded = false
  let reopening: NodeJS.Timeout | undefined

  const probe = async (): Promise<void> => {
    if (isProbing || isEnded) return
    isProbing = true
    const failure = await connection.checkHealth({ signal: new AbortController().signal, timeoutMs: probeTimeoutMs })
    isProbing = false
    if (failure === undefined || isEnded) return
    logger.warn('plugin is unreachable, killing it', { plugin: pluginId, pid: child.process.pid, cause: failure })
    child.kill()
  }

  const readStdio = (): void => {
    const stdout = createLineSplitter(createLogReader(logger, pluginId, budget))
    const stderr = createLineSplitter(createLogReader(logger, pluginId, budget))
    connection.readStdio(
      (channel, data) => {
        if (channel === 'stderr') stderr.push(data)
        else stdout.push(data)
      },
      () => {
        if (isEnded) return
        void probe()
        reopening = setTimeout(readStdio, reopenDelayMs).unref()
      },
    )
  }

  readStdio()
  return {
    suspect: () => void probe(),
    end: () => {
      isEnded = true
      clearTimeout(reopening)
    },
  }
}
