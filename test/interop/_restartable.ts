import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { ExecutionContext } from 'ava'

import { end, run, until } from './_setup.ts'

/** A process that can go, and come back. Its output goes to a file. */
export interface Restartable {
  readonly pid: () => number
  /** Resolves when it is gone. Default: SIGTERM. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>
  /** Again, at the same place with the same data. Resolves once it is ready. */
  readonly start: () => Promise<void>
  /** It keeps its connections, and says nothing. */
  readonly freeze: () => void
  readonly thaw: () => void
}

/** It ends with the test. `args` are asked for at each start, `isReady` until it is so; what that throws means no. */
export const restartable = (
  t: Pick<ExecutionContext, 'teardown'>,
  program: string,
  args: () => ReadonlyArray<string>,
  { cwd, isReady }: { readonly cwd: string; readonly isReady: () => Promise<boolean> },
) => {
  const name = program.slice(program.lastIndexOf('/') + 1)
  const log = join(cwd, `${name}.log`)
  let child: ReturnType<typeof run> | undefined
  const running = (): ReturnType<typeof run> => {
    if (child === undefined) throw new Error(`${name} does not run`)
    return child
  }
  const said = (): string => readFileSync(log, 'utf8')
  return {
    said,
    pid: () => running().pid,
    start: async (): Promise<void> => {
      const output = openSync(log, 'a')
      const started = run(t, program, args(), { cwd, stdio: ['ignore', output, output] })
      closeSync(output)
      child = started
      const isGone = (): boolean => started.exitCode !== null || started.signalCode !== null
      await until(async () => isGone() || (await isReady().catch(() => false)))
      if (isGone()) throw new Error(`${name} did not start:\n${said().slice(-4000)}`)
    },
    stop: async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
      const stopping = running()
      child = undefined
      stopping.kill('SIGCONT')
      await end(stopping, signal)
    },
    freeze: () => void running().kill('SIGSTOP'),
    thaw: () => void running().kill('SIGCONT'),
  }
}
