import { systemClock, type Clock } from '../clock.ts'
import type { AggregatorError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { SharedStreams, StreamChannel, StreamSubject } from '../shared-streams.ts'
import { createReader, type QueueLimits, type Reader } from './reader.ts'
import { createSharedStream, type SharedStream } from './shared-stream.ts'

export interface SharedStreamsOptions {
  readonly logger: Logger
  /** Whether each user has streams of his own, and plugins are told who he is. Default: no, all users share one, and no plugin is told of any. */
  readonly perUser?: boolean
  /** What may wait for one reader, default 1 MiB and 1024 messages. */
  readonly queue?: QueueLimits
  /** How many streams there may be at once, default 1000. */
  readonly maxStreams?: number
  readonly clock?: Clock
  /** In [0, 1). */
  readonly random?: () => number
}

interface Entry {
  readonly channel: string
  readonly stream: SharedStream
}

const closing: AggregatorError = {
  _tag: 'PluginUnavailable',
  message: 'the server is shutting down',
  retryAfterSeconds: 1,
}

const channelOf = ({ namespace, pluginId, uid, path }: StreamChannel): string =>
  JSON.stringify([namespace, pluginId, uid ?? null, path])

/** Text that is the same for the same subject only: names end where JSON says so, and of bytes each is a character. */
const keyOf = (subject: StreamSubject): string => {
  const { apiVersion, data, user } = subject
  const who = user === undefined ? null : [user.login, user.name, user.email, user.role]
  return JSON.stringify([channelOf(subject), apiVersion, Buffer.from(data).toString('latin1'), who])
}

const nothing = (): void => undefined

/** Source: runstream/manager.go of Grafana, of which the sharing and the times are taken. */
export const createSharedStreams = (options: SharedStreamsOptions): SharedStreams => {
  const { logger, perUser = false, maxStreams = 1000, clock = systemClock, random = Math.random } = options
  const { queue = { bytes: 1024 * 1024, messages: 1024 } } = options
  const entries = new Map<string, Entry>()
  /** Also those that nobody can join any more, while their call ends. */
  const running = new Set<Promise<void>>()
  let isClosed = false

  const tooMany: AggregatorError = {
    _tag: 'TooManyRequests',
    message: `too many different streams: limit is ${String(maxStreams)} at once`,
    retryAfterSeconds: 10,
  }

  /** One that nobody reads makes room for one that somebody wants to. */
  const hasRoom = (): boolean => {
    if (entries.size < maxStreams) return true
    for (const { stream } of entries.values()) {
      if (!stream.isIdle()) continue
      stream.end()
      return true
    }
    return false
  }
  const start = (key: string, subject: StreamSubject, find: Parameters<SharedStreams['join']>[1]): SharedStream => {
    const { pluginId, path, data, user } = subject
    const onEnd = (): void => {
      entries.delete(key)
    }
    const stream = createSharedStream({ pluginId, path, data, user, find, logger, clock, random, onEnd })
    entries.set(key, { channel: channelOf(subject), stream })
    running.add(stream.ended)
    void stream.ended.then(() => running.delete(stream.ended))
    return stream
  }

  return {
    join: (given, find) => {
      // nobody's identity is lent to the others
      const subject = perUser ? given : { ...given, user: undefined }
      const join = (reader: Reader): (() => void) => {
        const key = keyOf(subject)
        const known = entries.get(key)?.stream
        if (isClosed) reader.end(closing)
        else if (known !== undefined) return known.add(reader)
        else if (hasRoom()) return start(key, subject, find).add(reader)
        else reader.end(tooMany)
        return nothing
      }
      return { [Symbol.asyncIterator]: () => createReader(join, queue) }
    },
    publish: (to, packet) => {
      const wanted = channelOf(to)
      for (const { channel, stream } of entries.values()) if (channel === wanted) stream.tell(packet)
    },
    close: async () => {
      isClosed = true
      for (const { stream } of [...entries.values()]) stream.end(closing)
      await Promise.all(running)
    },
  }
}
