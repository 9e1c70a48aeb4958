/** What is to be closed, by the name that an error gives it. */
export type Closers = Readonly<Record<string, () => Promise<void> | undefined>>

const closeInTime = async (name: string, close: Closers[string], timeoutMs: number): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`expected ${name} to close within ${String(timeoutMs)} ms`))
    }, timeoutMs)
  })
  try {
    await Promise.race([close(), late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Closes all at once: none that fails or hangs keeps another open, or the caller waiting. Rejects with an AggregateError of one
 * error for each that threw, rejected or took longer than `timeoutMs`.
 */
export const closeAll = async (closers: Closers, timeoutMs: number): Promise<void> => {
  const entries = Object.entries(closers)
  const results = await Promise.allSettled(entries.map(([name, close]) => closeInTime(name, close, timeoutMs)))
  const errors = results.flatMap((result): unknown[] => (result.status === 'rejected' ? [result.reason] : []))
  if (errors.length > 0)
    throw new AggregateError(errors, `expected everything to close, got ${String(errors.length)} errors`)
}
