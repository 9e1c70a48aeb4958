import { LRUCache } from 'lru-cache'

import { unexpected, type AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import { integerOption } from '../integer-option.ts'
import type { InstanceSettings, PluginContextProvider, PluginContextRequest } from '../plugin.ts'
import { unlessAborted } from './abortable.ts'

export interface CachedContextsOptions {
  /** How long an answer serves, ms, default 60 000: for so long a changed secret may go unnoticed. */
  readonly ttlMs?: number
  /** Answers held at most, default 1000; the least recently used goes first. */
  readonly maxEntries?: number
  /** The clock, ms, from any start but 0. Default: performance.now. */
  readonly now?: () => number
}

type Answer = E.Either<AggregatorError, InstanceSettings>

/** One call to the provider, shared by all who ask the same meanwhile. */
interface Flight {
  readonly answer: Promise<Answer>
  readonly controller: AbortController
  callers: number
}

const keyOf = ({ namespace, pluginId, pluginType, uid }: PluginContextRequest): string =>
  JSON.stringify([namespace, pluginId, pluginType, uid])

/**
 * Remembers what another provider answers: for one that asks over a network. Only successes are remembered. Who asks the
 * same at the same time shares one call, which is aborted when the last of them has left. Throws a TypeError on a wrong option.
 */
export const cachedContexts = (
  provider: PluginContextProvider,
  { ttlMs, maxEntries, now = () => performance.now() }: CachedContextsOptions = {},
): PluginContextProvider => {
  const cache = new LRUCache<string, InstanceSettings>({
    max: integerOption('maxEntries', maxEntries, 1000, 1),
    // Not 0, which is for ever.
    ttl: integerOption('ttlMs', ttlMs, 60_000, 1),
    // Else a timer is set for each look at the clock.
    ttlResolution: 0,
    perf: { now },
  })
  const flights = new Map<string, Flight>()

  const ask = async (request: PluginContextRequest, signal: AbortSignal): Promise<Answer> => {
    try {
      return await provider.getInstanceSettings(request, signal)()
    } catch (cause) {
      return E.left(unexpected(cause))
    }
  }

  const start = (key: string, request: PluginContextRequest): Flight => {
    const controller = new AbortController()
    const land = (answer: Answer): Answer => {
      // Not so when all callers left: another flight may have taken the key.
      if (flights.get(key) !== flight) return answer
      flights.delete(key)
      if (E.isRight(answer)) cache.set(key, answer.right)
      return answer
    }
    const flight: Flight = { answer: ask(request, controller.signal).then(land), controller, callers: 0 }
    flights.set(key, flight)
    return flight
  }

  const leave = (key: string, flight: Flight): void => {
    flight.callers -= 1
    if (flight.callers > 0 || flights.get(key) !== flight) return
    flights.delete(key)
    flight.controller.abort()
  }

  return {
    getInstanceSettings: (request, signal) => async () => {
      const key = keyOf(request)
      const known = cache.get(key)
      if (known !== undefined) return E.right(known)
      const flight = flights.get(key) ?? start(key, request)
      flight.callers += 1
      const answer = await unlessAborted(flight.answer, signal)
      leave(key, flight)
      return answer
    },
    close: async () => {
      await provider.close?.()
    },
  }
}
