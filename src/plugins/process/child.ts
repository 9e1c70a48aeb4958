import { spawn, type ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'

import type { Logger } from '../../logger.ts'
import { takeInTurns } from '../turns.ts'
import { createLineSplitter, type LineSplitter } from './lines.ts'
import type { LogBudget } from './log-budget.ts'
import { createLogReader } from './logs.ts'

/** How long the pipes may stay open once the process is gone: a grandchild may hold them for ever. */
const pipesMs = 250

const keptLines = 20
const keptLineLength = 1000

/** How a process went. For the log: `stderr` may hold anything. */
export interface ProcessExit {
  readonly code: number | null
  readonly signal: string | null
  /** The last lines it wrote there. */
  readonly stderr: ReadonlyArray<string>
  /** Why it could not be started at all. */
  readonly error?: Error
}

export interface ChildOptions {
  readonly pluginId: string
  readonly executable: string
  readonly environment: Readonly<Record<string, string>>
  readonly logger: Logger
  readonly budget: LogBudget
}

/** A process and its two pipes, which are read for as long as it lives. */
export interface Child {
  readonly process: ChildProcess
  /** First line on stdout; stays pending when there is none. */
  readonly firstLine: Promise<string>
  /** The process is gone. */
  readonly exited: Promise<void>
  /** Its pipes are gone too, so all that it wrote was read. */
  readonly closed: Promise<ProcessExit>
  readonly kill: () => void
}

/** A pipe that breaks says no more than its end; out of file descriptors, there is none. */
const readPipe = (pipe: Readable | null | undefined, { push, end }: LineSplitter): void => {
  pipe?.on('data', (chunk: Buffer) => {
    takeInTurns(pipe, chunk, push)
  })
  pipe?.on('end', end).on('error', () => undefined)
}

/** Spawns. A program that cannot be run is one that exits with an error; where Node throws instead, so does this. */
export const spawnChild = ({ pluginId, executable, environment, logger, budget }: ChildOptions): Child => {
  const child: ChildProcess = spawn(executable, [], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  })
  let error: Error | undefined
  // before all else: an error that nobody listens to ends the host
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve()
    })
    // without a pid there will be no `exit`
    child.on('error', (cause) => {
      if (child.pid !== undefined) return
      error = cause
      resolve()
    })
  })
  const stderr: Array<string> = []

  const firstLine = new Promise<string>((resolve) => {
    const log = createLogReader(logger, pluginId, budget)
    let isFirst = true
    const splitter = createLineSplitter((line) => {
      if (isFirst) resolve(line)
      else log(line)
      isFirst = false
    })
    readPipe(child.stdout, splitter)
  })

  const log = createLogReader(logger, pluginId, budget)
  const splitter = createLineSplitter((line) => {
    stderr.push(line.slice(0, keptLineLength))
    if (stderr.length > keptLines) stderr.shift()
    log(line)
  })
  readPipe(child.stderr, splitter)

  const closed = new Promise<ProcessExit>((resolve) => {
    let timer: NodeJS.Timeout | undefined
    child.once('exit', () => {
      timer = setTimeout(() => {
        child.stdout?.destroy()
        child.stderr?.destroy()
      }, pipesMs)
    })
    child.once('close', () => {
      clearTimeout(timer)
      const { exitCode: code, signalCode: signal } = child
      resolve({ code: error === undefined ? code : null, signal, stderr, ...(error === undefined ? {} : { error }) })
    })
  })

  return {
    process: child,
    firstLine,
    exited,
    closed,
    kill: () => {
      // A process that was not spawned has no pid, and Node would signal whatever number stands in its place: 0 is our own group.
      if (child.pid !== undefined) child.kill('SIGKILL')
    },
  }
}
