import { spawn } from 'node:child_process'

import { parseExecCredential, type ExecSecrets } from '../api/exec-credential.ts'
import type { Clock } from '../clock.ts'
import { describeCauses, quote } from '../decode.ts'
import { E } from '../fp.ts'
import { errorCodeOf } from '../watch.ts'
import type { ExecPlugin } from './exec-plugin.ts'

/** Somebody may have to be asked over a network; nobody waits for a person here. */
const timeLimitMs = 60_000

const outputLimitBytes = 1024 * 1024

/** How long the pipe may stay open once the command is gone: a grandchild may hold it for ever. */
const pipeMs = 250

/** One run of the command. */
export interface ExecRun {
  /** Never rejects. Left: one sentence, without what the command printed. */
  readonly secrets: Promise<E.Either<string, ExecSecrets>>
  /** Ends it, and what it started. */
  readonly kill: () => void
}

const infoFor = ({ apiVersion, cluster }: ExecPlugin): string =>
  JSON.stringify({
    kind: 'ExecCredential',
    apiVersion,
    spec: { ...(cluster === undefined ? {} : { cluster }), interactive: false },
  })

const parse = (output: string, apiVersion: string): E.Either<string, ExecSecrets> => {
  try {
    return E.mapLeft(describeCauses)(parseExecCredential(JSON.parse(output), apiVersion))
  } catch {
    return E.left('expected JSON on stdout, got something else')
  }
}

/** Terminals take orders from control characters. */
const printable = (hint: string): string => hint.replace(/\p{Cc}+/gu, ' ').slice(0, 500)

const startFault = (cause: unknown, { command, installHint }: ExecPlugin): string => {
  const code = errorCodeOf(cause)
  if (code !== 'ENOENT') return `expected a command that can be run, got ${code}`
  return `${quote(command)} is not found${installHint === '' ? '' : `: ${printable(installHint)}`}`
}

/**
 * Runs a credential plugin once: the environment of this process and its own, no terminal, stderr unread, as it may hold secrets. Source:
 * plugin/pkg/client/auth/exec of client-go.
 */
export const runExecPlugin = (plugin: ExecPlugin, clock: Clock): ExecRun => {
  let kill = (): void => undefined
  const secrets = new Promise<E.Either<string, ExecSecrets>>((resolve) => {
    const end = (answer: E.Either<string, ExecSecrets>): void => {
      resolve(E.mapLeft((problem: string) => `the command of exec failed: ${problem}`)(answer))
    }
    let child
    try {
      child = spawn(plugin.command, plugin.args, {
        env: { ...process.env, ...plugin.env, KUBERNETES_EXEC_INFO: infoFor(plugin) },
        stdio: ['ignore', 'pipe', 'ignore'],
        windowsHide: true,
        // a process group of its own, so that what it starts ends with it
        detached: process.platform !== 'win32',
      })
    } catch (cause) {
      end(E.left(startFault(cause, plugin)))
      return
    }
    const { pid, stdout } = child
    const running = child
    let problem: string | undefined
    const killGroup = (): void => {
      // without a pid it was never spawned, and 0 is our own group
      if (pid === undefined) return
      try {
        process.kill(-pid, 'SIGKILL')
      } catch {
        running.kill('SIGKILL')
      }
    }
    const fail = (why: string): void => {
      problem ??= why
      killGroup()
      stdout.destroy()
    }
    kill = () => {
      fail('it was stopped')
    }
    const stopLimit = clock.setTimeout(() => {
      fail(`it did not end within ${String(timeLimitMs)} ms`)
    }, timeLimitMs)

    const chunks: Buffer[] = []
    let length = 0
    stdout
      .on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > outputLimitBytes) fail(`it printed more than ${String(outputLimitBytes)} bytes`)
        else chunks.push(chunk)
      })
      .on('error', () => undefined)
    let pipeTimer: NodeJS.Timeout | undefined
    running
      .on('error', (cause) => {
        problem ??= startFault(cause, plugin)
      })
      .once('exit', () => {
        // later, its number may be that of another group
        kill = () => undefined
        stopLimit()
        killGroup()
        pipeTimer = setTimeout(() => {
          stdout.destroy()
        }, pipeMs)
      })
      .once('close', (code, signal) => {
        stopLimit()
        clearTimeout(pipeTimer)
        if (problem !== undefined) end(E.left(problem))
        else if (code === 0) end(parse(Buffer.concat(chunks).toString(), plugin.apiVersion))
        else end(E.left(`it ended with ${code === null ? String(signal) : `code ${String(code)}`}`))
      })
  })
  return {
    secrets,
    kill: () => {
      kill()
    },
  }
}
