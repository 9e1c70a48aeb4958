import { rmSync } from 'node:fs'

import { E } from '../../fp.ts'
import type { Logger } from '../../logger.ts'
import type { PluginClient } from '../../plugin.ts'
import { openConnection, type Connection } from '../grpc/connection.ts'
import { spawnChild, type Child, type ProcessExit } from './child.ts'
import { systemClock } from './clock.ts'
import { parseHandshake } from './handshake.ts'
import { createLogBudget } from './log-budget.ts'
import { watchReachability, type Reachability } from './reachability.ts'
import { makeSocketDirectory } from './socket-directory.ts'
import { stopProcess } from './stop.ts'

export interface StartOptions {
  readonly pluginId: string
  /** Absolute path of a program; throws when there is none. */
  readonly findExecutable: () => string
  readonly environment: (socketDirectory: string) => Readonly<Record<string, string>>
  readonly logger: Logger
  readonly receiveLimitBytes: number
  readonly maxFrames: number
  readonly startTimeoutMs: number
  readonly stopGraceMs: number
  /** Holds each process from its start to its end. */
  readonly running: Set<Running>
}

/** A process that is not gone yet, and its socket. */
export interface Running {
  readonly pid: number | undefined
  /** Kills it and removes its socket, all at once: for a Node that exits without close. */
  clear(): void
}

/** Why a plugin does not serve; for the log, as the message may hold paths of the host. */
export class StartFailure extends Error {
  readonly exit: ProcessExit

  constructor(exit: ProcessExit, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.exit = exit
  }
}

/** A plugin process that serves. */
export interface PluginProcess {
  readonly pid: number | undefined
  readonly client: PluginClient
  /** Resolves when nothing of it is left, however it went; its calls have ended by then. */
  readonly ended: Promise<ProcessExit>
  stop(): Promise<void>
}

interface Limits {
  /** Aborted when the start failed, or is over. */
  readonly signal: AbortSignal
  /** The step's outcome, unless the start fails first. */
  until<A>(step: Promise<A>): Promise<A>
  end(): void
}

/** What ends a start early: the process exits, the time is up, the host closes. */
const createLimits = (child: Child, timeoutMs: number, signal: AbortSignal): Limits => {
  const over = new AbortController()
  const failed = new Promise<never>((_resolve, reject) => {
    const fail = (message: string): void => {
      reject(new Error(message))
      over.abort()
    }
    const timer = setTimeout(fail, timeoutMs, `did not start within ${String(timeoutMs)} ms (option startTimeoutMs)`)
    const close = (): void => {
      fail('stopped while it started')
    }
    signal.addEventListener('abort', close)
    over.signal.addEventListener('abort', () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', close)
    })
    void child.exited.then(() => {
      fail('exited before it served')
    })
    if (signal.aborted) close()
  })
  // nobody may be waiting when it fails
  failed.catch(() => undefined)
  return {
    signal: over.signal,
    until: (step) => Promise.race([step, failed]),
    end: () => {
      over.abort()
    },
  }
}

/**
 * Runs a plugin until it serves: spawn, handshake, health check; from then on its output is read. Rejects with a
 * StartFailure, when nothing of the process is left, or with an Error when there was none to start.
 */
export const startProcess = async (options: StartOptions, signal: AbortSignal): Promise<PluginProcess> => {
  const { pluginId, logger, receiveLimitBytes, maxFrames, startTimeoutMs, stopGraceMs, running } = options
  const executable = options.findExecutable()
  const socketDirectory = makeSocketDirectory(process.env)
  const removeSocket = (): void => {
    rmSync(socketDirectory, { recursive: true, force: true })
  }
  const budget = createLogBudget(logger, pluginId, systemClock)
  const spawn = (): Child => {
    try {
      return spawnChild({ pluginId, executable, environment: options.environment(socketDirectory), logger, budget })
    } catch (error) {
      removeSocket()
      throw error
    }
  }
  const child = spawn()
  const entry: Running = {
    pid: child.process.pid,
    clear: () => {
      child.kill()
      removeSocket()
    },
  }
  running.add(entry)
  let connection: Connection | undefined
  let reachability: Reachability | undefined

  void child.exited.then(() => {
    reachability?.end()
    connection?.close()
  })
  const ended = child.closed.then((exit) => {
    running.delete(entry)
    budget.end()
    try {
      // a process that was killed leaves its socket
      removeSocket()
    } catch (cause) {
      logger.warn('cannot remove the directory of a socket', { plugin: pluginId, directory: socketDirectory, cause })
    }
    return exit
  })

  const limits = createLimits(child, startTimeoutMs, signal)
  try {
    const target = parseHandshake(await limits.until(child.firstLine))
    if (E.isLeft(target)) throw new Error(target.left)
    const opened = openConnection(target.right, {
      pluginId,
      receiveLimitBytes,
      maxFrames,
      onUnavailable: () => reachability?.suspect(),
    })
    connection = opened
    const health = opened.checkHealth({ signal: limits.signal, timeoutMs: startTimeoutMs })
    const failure = await limits.until(health)
    if (failure !== undefined) throw new Error(`health check: ${failure}`)
    reachability = watchReachability(child, opened, logger, pluginId, budget)
    const stop = (): Promise<void> => {
      reachability?.end()
      return stopProcess(child, opened, stopGraceMs)
    }
    return { pid: child.process.pid, client: opened.client, ended, stop }
  } catch (error) {
    child.kill()
    connection?.close()
    throw new StartFailure(await ended, error)
  } finally {
    limits.end()
  }
}
