import { spawn, type ChildProcess } from 'node:child_process'

import type { Logger } from '../../logger.ts'
import { createLineSplitter } from './lines.ts'
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

/** Spawns; does not throw: a program that cannot be run is one that exits with an error. */
export const spawnChild = ({ pluginId, executable, environment, logger }: ChildOptions): Child => {
  const child = spawn(executable, [], { env: environment, stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true })
  const stderr: Array<string> = []
  let error: Error | undefined

  const firstLine = new Promise<string>((resolve) => {
    const log = createLogReader(logger, pluginId)
    let isFirst = true
    const splitter = createLineSplitter((line) => {
      if (isFirst) resolve(line)
      else log(line)
      isFirst = false
    })
    child.stdout.on('data', splitter.push).on('end', splitter.end)
  })

  const log = createLogReader(logger, pluginId)
  const splitter = createLineSplitter((line) => {
    stderr.push(line.slice(0, keptLineLength))
    if (stderr.length > keptLines) stderr.shift()
    log(line)
  })
  child.stderr.on('data', splitter.push).on('end', splitter.end)
  // a pipe that breaks says no more than its end
  child.stdout.on('error', () => undefined)
  child.stderr.on('error', () => undefined)

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
  const closed = new Promise<ProcessExit>((resolve) => {
    let timer: NodeJS.Timeout | undefined
    child.once('exit', () => {
      timer = setTimeout(() => {
        child.stdout.destroy()
        child.stderr.destroy()
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
      child.kill('SIGKILL')
    },
  }
}
