import type { AggregatorError } from '../../src/errors.ts'
import { E } from '../../src/fp.ts'
import type { ByteStream } from '../../src/http.ts'

type Step = IteratorResult<E.Either<AggregatorError, Uint8Array>, undefined>

export interface ManualSource {
  readonly chunks: ByteStream
  /** How often it was asked for a chunk, and told that nobody wants more. */
  readonly counts: { next: number; returned: number }
  /** Resolves once it was asked that often. */
  readonly asked: (count: number) => Promise<void>
  /** Resolves once it was told that nobody wants more. */
  readonly left: Promise<void>
  readonly give: (text: string) => void
  readonly fail: (error: AggregatorError) => void
  readonly reject: (cause: Error) => void
  readonly end: () => void
}

/** A source that gives what it is told to, when it is told to, to whoever has asked. */
export const manualSource = (returns: () => Promise<Step> = () => Promise.resolve(done)): ManualSource => {
  const counts = { next: 0, returned: 0 }
  let settle: ((step: Step | Promise<Step>) => void) | undefined
  let leave: () => void = () => undefined
  const left = new Promise<void>((resolve) => (leave = resolve))
  const watchers = new Set<() => void>()
  const answer = (step: Step | Promise<Step>): void => {
    if (settle === undefined) throw new Error('nobody has asked')
    settle(step)
    settle = undefined
  }
  const iterator: AsyncIterator<E.Either<AggregatorError, Uint8Array>, undefined> = {
    next: () => {
      counts.next++
      const step = new Promise<Step>((resolve) => (settle = resolve))
      for (const look of watchers) look()
      return step
    },
    return: () => {
      counts.returned++
      leave()
      return returns()
    },
  }
  return {
    chunks: { [Symbol.asyncIterator]: () => iterator },
    counts,
    asked: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (counts.next >= count) resolve()
        }
        watchers.add(look)
        look()
      }),
    left,
    give: (text) => {
      answer({ done: false, value: E.right(Buffer.from(text)) })
    },
    fail: (error) => {
      answer({ done: false, value: E.left(error) })
    },
    reject: (cause) => {
      answer(Promise.reject(cause))
    },
    end: () => {
      answer(done)
    },
  }
}

const done = { done: true, value: undefined } as const

/** A source that has all of it, and counts what is taken. */
export const readySource = (count: number, chunk: Uint8Array) => {
  const counts = { next: 0, returned: 0 }
  let leave: () => void = () => undefined
  const left = new Promise<void>((resolve) => (leave = resolve))
  const chunks: ByteStream = {
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.resolve(counts.next++ < count ? { done: false, value: E.right(chunk) } : done),
      return: () => {
        counts.returned++
        leave()
        return Promise.resolve(done)
      },
    }),
  }
  return { chunks, counts, left }
}
