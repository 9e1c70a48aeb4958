import type { Child } from './child.ts'

/** What a start has to stay within: the host's life, and from the spawn on the process's, and its time. */
export interface StartLimits {
  /** Aborted when the start failed, or is over. */
  readonly signal: AbortSignal
  /** The step's outcome, unless the start fails first. */
  readonly until: <A>(step: Promise<A>) => Promise<A>
  /** From now on the start fails when the process exits, or takes too long. */
  readonly watch: (child: Child, timeoutMs: number) => void
  readonly end: () => void
}

export const createStartLimits = (signal: AbortSignal): StartLimits => {
  const over = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let fail = (_message: string): void => undefined
  const failed = new Promise<never>((_resolve, reject) => {
    fail = (message) => {
      const error = new Error(message)
      reject(error)
      over.abort(error)
    }
  })
  // nobody may be waiting when it fails
  failed.catch(() => undefined)
  const close = (): void => {
    fail('stopped while it started')
  }
  signal.addEventListener('abort', close)
  over.signal.addEventListener('abort', () => {
    clearTimeout(timer)
    signal.removeEventListener('abort', close)
  })
  if (signal.aborted) close()
  return {
    signal: over.signal,
    until: (step) => Promise.race([step, failed]),
    watch: (child, timeoutMs) => {
      if (over.signal.aborted) return
      timer = setTimeout(() => {
        fail(`did not start within ${String(timeoutMs)} ms (option plugins.startTimeoutMs)`)
      }, timeoutMs)
      void child.exited.then(() => {
        fail('exited before it served')
      })
    },
    end: () => {
      over.abort()
    },
  }
}
