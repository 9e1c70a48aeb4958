import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A process of this benchmark, which answers calls over its IPC channel. */
export interface Child {
  /** Rejects when the call fails or the process ends. */
  readonly call: (method: string, ...args: ReadonlyArray<unknown>) => Promise<unknown>
  /** Resolves when the process is gone. */
  readonly stop: () => Promise<void>
}

interface Call {
  readonly id: number
  readonly method: string
  readonly args: ReadonlyArray<unknown>
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

const stopGraceMs = 3000

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

const stop = async (child: ChildProcess): Promise<void> => {
  if (hasEnded(child)) return
  const ended = once(child, 'exit')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopGraceMs)
  child.kill('SIGTERM')
  await ended
  clearTimeout(timer)
}

/** Runs a file of this folder in a process of its own, with the flags of this one. */
export const startChild = (file: string, args: ReadonlyArray<string> = []): Child => {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args)
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  child.on('message', (message) => {
    const { id, value, error } = message as Answer
    const caller = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) caller?.resolve(value)
    else caller?.reject(new Error(error))
  })
  child.once('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`${file} ended with ${String(signal ?? code)}`))
  })
  return {
    call: (method, ...args) =>
      new Promise((resolve, reject) => {
        const id = ++lastId
        waiting.set(id, { resolve, reject })
        if (hasEnded(child)) reject(new Error(`${file} has ended`))
        else child.send({ id, method, args } satisfies Call)
      }),
    stop: () => stop(child),
  }
}

/** The child's side: answers its parent's calls, and ends when the parent does, however that happens. */
export const answerParent = (methods: Readonly<Record<string, (...args: never[]) => unknown>>): void => {
  const exit = (): void => {
    process.exit()
  }
  // Ctrl-C reaches the whole process group; only `exit` lets 'exit' listeners end what this process has started.
  process.on('SIGINT', exit).on('SIGTERM', exit).on('disconnect', exit)
  process.on('message', (message) => {
    const { id, method, args } = message as Call
    const run = (): Promise<unknown> => Promise.resolve().then(() => methods[method]?.(...(args as never[])))
    const send = (answer: Answer): void => {
      process.send?.(answer)
    }
    run().then(
      (value) => {
        send({ id, value })
      },
      (error: unknown) => {
        send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
      },
    )
  })
}
