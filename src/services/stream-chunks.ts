import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { ByteStream } from '../http.ts'
import type { SharedPacket, SharedStreams } from '../shared-streams.ts'
import type { Spelling } from './stream-spelling.ts'

/** A reader that the plugin takes. */
export interface Subscribed {
  readonly initial: SharedPacket | undefined
  readonly packets: ReturnType<SharedStreams['join']>
}

type Step<A> = IteratorResult<E.Either<AggregatorError, A>, undefined>

const done = { done: true, value: undefined } as const

/**
 * First the initial data, then what comes. The stream is joined before the initial data goes out, so that nothing is lost in between. Not
 * a generator: one that waits for a packet cannot be left before it comes.
 */
export const chunksOf = ({ initial, packets }: Subscribed, { packet: spell, end }: Spelling): ByteStream => ({
  [Symbol.asyncIterator]: () => {
    const iterator = packets[Symbol.asyncIterator]()
    let first = initial
    let ahead: ReturnType<typeof iterator.next> | undefined
    let isOver = false

    const spelled = (step: Step<SharedPacket>): Step<Uint8Array> => {
      if (step.done !== true) return { done: false, value: E.map(spell)(step.value) }
      if (isOver || end === undefined) return done
      isOver = true
      return { done: false, value: E.right(end) }
    }
    return {
      next: () => {
        if (isOver) return Promise.resolve(done)
        const step = ahead ?? iterator.next()
        ahead = undefined
        if (first === undefined) return step.then(spelled)
        ahead = step
        const value = E.right(spell(first))
        first = undefined
        return Promise.resolve({ done: false, value })
      },
      return: async () => {
        isOver = true
        await iterator.return?.()
        return done
      },
    }
  },
})
