import { spawn, type ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'

import { createTurns } from '../turns.ts'
import { createLineSplitter } from './lines.ts'
import { createLogReader, type LogOptions } from './logs.ts'
import type { PeerExit } from './peer.ts'
import { createTail } from './tail.ts'

/** How long the pipes may stay open once the process is gone: a grandchild may hold them for ever. */
const pipesMs = 250

export interface ChildOptions {
  readonly file: string
  readonly args: ReadonlyArray<string>
  /** An open file that the process has under the number 3. */
  readonly descriptor: number | undefined
  readonly environment: Readonly<Record<string, string>>
  readonly log: LogOptions
  readonly stderrBytes: number
}

/** A process and its two pipes, which are read for as long as it lives. */
export interface Child {
  readonly process: ChildProcess
  /** First line on stdout; stays pending when there is none. */
  readonly firstLine: Promise<string>
  /** The process is gone. */
  readonly exited: Promise<void>
  /** Its pipes are gone too, so all that it wrote was read. */
  readonly closed: Promise<PeerExit>
  /** Ends it, and what it started. */
  readonly kill: () => void
}

/** A pipe that breaks says no more than its end; out of file descriptors, there is none. */
const readPipe = (
  pipe: Readable | null | undefined,
  onLine: (line: string) => void,
  onPiece: (piece: Buffer) => void = () => undefined,
): void => {
  const { push, end } = createLineSplitter(onLine)
  if (pipe === null || pipe === undefined) return
  const take = createTurns(pipe, (piece) => {
    onPiece(piece)
    push(piece)
  })
  pipe
    .on('data', take)
    .on('end', end)
    .on('error', () => undefined)
}

/** Spawns. A program that cannot be run is one that exits with an error; where Node throws instead, so does this. */
export const spawnChild = ({ file, args, descriptor, environment, log, stderrBytes }: ChildOptions): Child => {
  const child: ChildProcess = spawn(file, args, {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe', ...(descriptor === undefined ? [] : [descriptor])],
    windowsHide: true,
    // a process group of its own: a script that runs the plugin without `exec` goes together with it
    detached: process.platform !== 'win32',
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
  const firstLine = new Promise<string>((resolve) => {
    const read = createLogReader(log)
    let isFirst = true
    readPipe(child.stdout, (line) => {
      if (isFirst) resolve(line)
      else read(line)
      isFirst = false
    })
  })
  const stderr = createTail(stderrBytes)
  readPipe(child.stderr, createLogReader(log), stderr.push)

  let isGone = false
  /** False where there is no group: on Windows, and when nobody is left in it. */
  const killGroup = (): boolean => {
    // without a pid it was never spawned, and 0 is our own group
    if (child.pid === undefined) return true
    try {
      return process.kill(-child.pid, 'SIGKILL')
    } catch {
      return false
    }
  }
  const closed = new Promise<PeerExit>((resolve) => {
    let timer: NodeJS.Timeout | undefined
    child.once('exit', () => {
      // what it started goes with it; later, its number may be that of another group
      isGone = true
      killGroup()
      timer = setTimeout(() => {
        child.stdout?.destroy()
        child.stderr?.destroy()
      }, pipesMs)
    })
    child.once('close', () => {
      clearTimeout(timer)
      const { exitCode: code, signalCode: signal } = child
      const exit = { code: error === undefined ? code : null, signal, stderr: stderr.text() }
      resolve(error === undefined ? exit : { ...exit, error })
    })
  })

  return {
    process: child,
    firstLine,
    exited,
    closed,
    kill: () => {
      if (!isGone && !killGroup()) child.kill('SIGKILL')
    },
  }
}
