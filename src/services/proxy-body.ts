import type { AggregatorError, Result } from '../errors.ts'
import { E, TE } from '../fp.ts'
import type { ByteStream } from '../http.ts'

type Chunk = E.Either<AggregatorError, Uint8Array>

const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array =>
  chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)

/** What was read of a stream, and then the rest of it. */
const resumed = (held: ReadonlyArray<Uint8Array>, rest: AsyncIterator<Chunk, unknown>): ByteStream => {
  let taken = 0
  const iterator: AsyncIterator<Chunk, unknown> = {
    next: () => {
      const chunk = held[taken++]
      return chunk === undefined ? rest.next() : Promise.resolve({ done: false, value: E.right(chunk) })
    },
    return: () => rest.return?.() ?? Promise.resolve({ done: true, value: undefined }),
  }
  return { [Symbol.asyncIterator]: () => iterator }
}

/** Such bodies go out whole. */
const heldBytes = 64 * 1024

/**
 * Reads a body until it is over, or longer than 64 KiB. One that is whole by then is bytes: it goes out with its length, which some
 * servers insist on, and can be sent again. A longer one goes on as a stream. Fails with what the body fails with.
 */
export const holdBody = (body: ByteStream | undefined): Result<ByteStream | Uint8Array | undefined> => {
  if (body === undefined) return TE.right(undefined)
  return async () => {
    const iterator: AsyncIterator<Chunk, unknown> = body[Symbol.asyncIterator]()
    const held: Uint8Array[] = []
    let size = 0
    while (size <= heldBytes) {
      const step = await iterator.next()
      if (step.done === true) return E.right(concat(held))
      if (E.isLeft(step.value)) return step.value
      held.push(step.value.right)
      size += step.value.right.length
    }
    return E.right(resumed(held, iterator))
  }
}

/** Reads a body to its end. Left: it broke off; `undefined`: it is longer than `limitBytes`, and the rest was not read. */
export const readBody =
  (body: ByteStream, limitBytes: number): Result<Uint8Array | undefined> =>
  async () => {
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of body) {
      if (E.isLeft(chunk)) return chunk
      chunks.push(chunk.right)
      size += chunk.right.length
      if (size > limitBytes) return E.right(undefined)
    }
    return E.right(concat(chunks))
  }
