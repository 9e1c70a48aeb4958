import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { SharedPacket } from '../shared-streams.ts'

/** What may wait for one reader. */
export interface QueueLimits {
  readonly bytes: number
  readonly messages: number
}

/** A reader as its stream knows it. */
export interface Reader {
  readonly isBehind: () => boolean
  /** One who is too slow for it is cut. */
  readonly offer: (packet: SharedPacket) => void
  /** No more will come; what waits is still read. Told once, the first counts. */
  readonly end: (error?: AggregatorError) => void
}

type Item = E.Either<AggregatorError, SharedPacket>
type Step = IteratorResult<Item, undefined>

const done: Step = { done: true, value: undefined }
const stepOf = (value: Item): Step => ({ done: false, value })

const tooSlow = ({ bytes, messages }: QueueLimits): AggregatorError => ({
  _tag: 'TooManyRequests',
  message: `the reader is too slow for the stream: ${String(bytes)} bytes or ${String(messages)} messages waited for it`,
  retryAfterSeconds: 1,
})

/**
 * Packets as a reader takes them. The first `next` joins the stream: `join` gives back what leaves it again. A
 * single packet may be of any size: it is the plugin's message limit that bounds it.
 */
export const createReader = (
  join: (reader: Reader) => () => void,
  limits: QueueLimits,
): AsyncIterator<Item, undefined> => {
  const waiting: Array<(step: Step) => void> = []
  const queue: SharedPacket[] = []
  let queuedBytes = 0
  let farewell: AggregatorError | undefined
  let isJoined = false
  let isEnded = false
  let leave = (): void => undefined

  const drop = (): void => {
    queue.length = 0
    queuedBytes = 0
  }
  const end = (error?: AggregatorError): void => {
    if (isEnded) return
    isEnded = true
    leave()
    if (error !== undefined) {
      const resolve = waiting.shift()
      if (resolve === undefined) farewell = error
      else resolve(stepOf(E.left(error)))
    }
    for (const resolve of waiting.splice(0)) resolve(done)
  }
  const isFullFor = ({ data }: SharedPacket): boolean =>
    queue.length > 0 && (queue.length >= limits.messages || queuedBytes + data.length > limits.bytes)

  const reader: Reader = {
    isBehind: () => queue.length > 0,
    offer: (packet) => {
      if (isEnded) return
      const resolve = waiting.shift()
      if (resolve !== undefined) resolve(stepOf(E.right(packet)))
      else if (isFullFor(packet)) {
        drop()
        end(tooSlow(limits))
      } else {
        queue.push(packet)
        queuedBytes += packet.data.length
      }
    },
    end,
  }

  const next = (): Promise<Step> => {
    if (!isJoined && !isEnded) {
      isJoined = true
      leave = join(reader)
    }
    const packet = queue.shift()
    if (packet !== undefined) {
      queuedBytes -= packet.data.length
      return Promise.resolve(stepOf(E.right(packet)))
    }
    if (farewell !== undefined) {
      const step = stepOf(E.left(farewell))
      farewell = undefined
      return Promise.resolve(step)
    }
    return isEnded ? Promise.resolve(done) : new Promise((resolve) => waiting.push(resolve))
  }
  return {
    next,
    return: () => {
      drop()
      farewell = undefined
      end()
      return Promise.resolve(done)
    },
  }
}
