import type { AggregatorError } from '../../errors.ts'
import { E } from '../../fp.ts'
import type { CallOptions } from '../../plugin.ts'
import type { PluginSettings } from '../options.ts'
import type { Clock } from '../../clock.ts'
import { createFairQueue } from './queue.ts'
import type { Target } from './target.ts'

type Entrance = E.Either<AggregatorError, Target>

export interface PlacesOptions {
  readonly pluginId: string
  /** Whom to call now; Left: nobody; undefined: that will turn out, so that calls wait for it. */
  readonly find: () => Entrance | undefined
  readonly settings: Pick<PluginSettings, 'inFlight' | 'queue' | 'startWaitMs'>
  readonly clock: Clock
}

/** The places of one plugin, however many targets it has in the course of time. */
export interface Places {
  readonly inFlight: number
  readonly queued: number
  /**
   * Takes a place, or waits for one: at most as long as the call has time, and `startWaitMs` for a plugin that starts. A call
   * that is to go on for long needs no place, it waits for the plugin alone. Right: the caller owes a `leave`. `onWait` is given
   * what ends the wait.
   */
  enter(
    namespace: string,
    options: CallOptions,
    needsPlace: boolean,
    onWait?: (giveUp: () => void) => void,
  ): Entrance | Promise<Entrance>
  leave(target: Target, hadPlace: boolean): void
  /** The place alone: the call goes on without one. */
  readonly giveBack: () => void
  /** To be told whenever `find` gives something else. */
  readonly wake: () => void
}

interface Waiter {
  readonly end: (entrance: Entrance) => void
}

export const createPlaces = (options: PlacesOptions): Places => {
  const { pluginId, find, clock } = options
  const { inFlight, queue: queueLimit, startWaitMs } = options.settings
  const queue = createFairQueue<Waiter>()
  const others = new Set<Waiter>()
  let taken = 0

  const full: Entrance = E.left({
    _tag: 'TooManyRequests',
    message:
      `too many calls to plugin "${pluginId}": limit is ${String(inFlight)} at once (option plugins.inFlight), ` +
      `and ${String(queueLimit)} that wait (option plugins.queue)`,
    retryAfterSeconds: 1,
  })
  const stillStarting: Entrance = E.left({
    _tag: 'PluginUnavailable',
    message: `plugin "${pluginId}" is still starting`,
    retryAfterSeconds: 1,
  })
  const late = (): Entrance => {
    const what = find() === undefined ? 'did not start in time' : 'had no place for the call in time'
    return E.left({ _tag: 'PluginTimeout', message: `plugin "${pluginId}" ${what}` })
  }

  const take = (target: Target, needsPlace: boolean): void => {
    if (needsPlace) taken += 1
    target.running += 1
  }

  /** Gives the free places to those whose turn it is. */
  const fill = (): void => {
    while (queue.size > 0 && taken < inFlight) {
      const found = find()
      if (found === undefined || E.isLeft(found)) return
      take(found.right, true)
      queue.shift()?.end(found)
    }
  }

  const wait = (
    namespace: string,
    { signal, timeoutMs }: CallOptions,
    needsPlace: boolean,
    onWait: (giveUp: () => void) => void,
  ): Promise<Entrance> =>
    new Promise((resolve) => {
      const beganAtMs = clock.now()
      let cancelTimer = (): void => undefined
      const end = (entrance: Entrance): void => {
        if (needsPlace) queue.remove(namespace, waiter)
        else others.delete(waiter)
        cancelTimer()
        signal.removeEventListener('abort', abort)
        resolve(entrance)
      }
      // a deadline aborts the signal too
      const abort = (): void => {
        end(clock.now() - beganAtMs >= timeoutMs - 1 ? late() : E.left({ _tag: 'Cancelled' }))
      }
      const waitUntil = (limitMs: number): void => {
        const expire = (): void => {
          if (limitMs >= timeoutMs) end(late())
          else if (find() === undefined) end(stillStarting)
          else waitUntil(timeoutMs)
        }
        cancelTimer = clock.setTimeout(expire, limitMs - (clock.now() - beganAtMs))
      }
      const waiter: Waiter = { end }
      if (needsPlace) queue.push(namespace, waiter)
      else others.add(waiter)
      waitUntil(find() === undefined ? Math.min(startWaitMs, timeoutMs) : timeoutMs)
      signal.addEventListener('abort', abort)
      onWait(() => {
        end(E.left({ _tag: 'Cancelled' }))
      })
      if (signal.aborted) abort()
    })

  const giveBack = (): void => {
    taken -= 1
    fill()
  }

  return {
    get inFlight() {
      return taken
    },
    get queued() {
      return queue.size + others.size
    },
    enter: (namespace, call, needsPlace, onWait = () => undefined) => {
      const found = find()
      if (found !== undefined && (E.isLeft(found) || !needsPlace || taken < inFlight)) {
        if (E.isRight(found)) take(found.right, needsPlace)
        return found
      }
      // who waits for a start may have a place when it is over
      if (needsPlace && queue.size >= queueLimit + inFlight - taken) return full
      return wait(namespace, call, needsPlace, onWait)
    },
    leave: (target, hadPlace) => {
      target.running -= 1
      if (target.running === 0) target.onIdle()
      if (hadPlace) giveBack()
    },
    giveBack,
    wake: () => {
      const found = find()
      if (found === undefined) return
      for (const waiter of [...others]) {
        if (E.isRight(found)) take(found.right, false)
        waiter.end(found)
      }
      if (E.isRight(found)) fill()
      else for (let next = queue.shift(); next !== undefined; next = queue.shift()) next.end(found)
    },
  }
}
