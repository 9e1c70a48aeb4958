import type { StoredObject } from '../api/object.ts'
import type { Clock } from '../clock.ts'
import { toStatus, unexpected, type AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { ByteStream } from '../http.ts'
import type { ObjectStore, StoreEvent } from '../object-store.ts'
import { lineOf, type Representation } from './representation.ts'
import { patienceMs } from './revision.ts'
import type { Selection } from './selectors.ts'
import { changeOf } from './watch-change.ts'
import type { WatchTexts } from './watch-texts.ts'

/** What one client watches. */
export interface Watched {
  readonly objects: ObjectStore
  readonly clock: Clock
  readonly texts: WatchTexts
  readonly representation: Representation
  readonly selects: Selection
  /** The revision that changes are told after; `initial`: first all that there is when it begins; `present`: from then on. */
  readonly after: number | 'initial' | 'present'
  /** Whether a bookmark tells that all of the initial ones are told. */
  readonly marksInitialEnd: boolean
  readonly hasBookmarks: boolean
  readonly timeoutMs: number
  /** Ends it. */
  readonly signal: AbortSignal
}

/** Source: the watch cache of the Kubernetes apiserver. */
const bookmarkMs = 60_000

/** How many changes a watcher takes from the store at once, and so the most that it keeps there from being forgotten. */
const batchSize = 256

/** What reads like a failure in a watch. Source: metav1.WatchEvent. */
export const errorLine = (error: AggregatorError): Uint8Array => lineOf('ERROR', toStatus(error))

type Item = E.Either<AggregatorError, Uint8Array>
type Step = IteratorResult<Item, undefined>

const done: Step = { done: true, value: undefined }
const stepOf = (value: Item): Step => ({ done: false, value })

/**
 * The lines of a watch, one for each `next`. Nothing is queued: a watcher is a place in the store's own memory of changes, so one that is
 * slow holds nothing, and is told that its place has expired when the store has forgotten it. Nothing is begun before the first `next`.
 */
export const watchLines = (watched: Watched): ByteStream => ({
  [Symbol.asyncIterator]: () => createWatcher(watched),
})

const createWatcher = (watched: Watched): AsyncIterator<Item, undefined> => {
  const { objects, clock, texts, representation, selects, signal } = watched
  let initial: ReadonlyArray<StoredObject> = []
  let initialIndex = 0
  let isMarkDue = false
  let batch: ReadonlyArray<StoreEvent> = []
  let batchIndex = 0
  /** All changes up to this revision have been told. */
  let position = 0
  let isFirst = true
  let isBookmarkDue = false
  let isPatienceOver = false
  let isTimeOver = false
  let isOver = false
  let isBegun = false
  let isWakeDue = false
  const waiting: Array<(step: Step) => void> = []
  const releases: Array<() => void> = []

  const begin = (): void => {
    isBegun = true
    position = typeof watched.after === 'number' ? watched.after : objects.revision()
    if (watched.after === 'initial') {
      initial = objects.list()
      isMarkDue = watched.marksInitialEnd
    }
    signal.addEventListener('abort', end)
    releases.push(
      () => {
        signal.removeEventListener('abort', end)
      },
      objects.subscribe(wake),
      clock.setTimeout(() => {
        isTimeOver = true
        wake()
      }, watched.timeoutMs),
    )
    if (watched.hasBookmarks) armBookmark()
    if (position > objects.revision()) armPatience()
  }
  /** A revision that does not come is that of another process, whose changes never come either: silence would pass for "nothing new". */
  const armPatience = (): void => {
    const cancel = clock.setTimeout(() => {
      isPatienceOver = true
      wake()
    }, patienceMs)
    releases.push(cancel)
  }
  const armBookmark = (): void => {
    const cancel = clock.setTimeout(() => {
      releases.splice(releases.indexOf(cancel), 1)
      isBookmarkDue = true
      wake()
    }, bookmarkMs)
    releases.push(cancel)
  }
  /** Whoever waits for a line still gets what is the last one. */
  const release = (): void => {
    isOver = true
    for (const give of releases.splice(0)) give()
    initial = []
    batch = []
  }
  const end = (): void => {
    release()
    for (const resolve of waiting.splice(0)) resolve(done)
  }

  const takeInitial = (): Uint8Array | undefined => {
    for (let object = initial[initialIndex]; object !== undefined; object = initial[initialIndex]) {
      initialIndex++
      if (!selects(object)) continue
      const line = representation.event('ADDED', object, isFirst)
      isFirst = false
      return line
    }
    initial = []
    return undefined
  }
  const takeChange = (): Uint8Array | undefined => {
    for (let event = batch[batchIndex]; event !== undefined; event = batch[batchIndex]) {
      batchIndex++
      position = event.revision
      const change = changeOf(event, selects)
      if (change === undefined) continue
      const line = texts.textOf(event, change, representation, isFirst)
      isFirst = false
      return line
    }
    return undefined
  }
  /** False: the store has forgotten what comes next. */
  const fill = (): boolean => {
    const events = objects.since(position)
    if (events === undefined) return false
    batch = events.slice(0, batchSize)
    batchIndex = 0
    if (batch.length === 0) position = objects.revision()
    return true
  }
  const expired = (what: 'old' | 'large'): Uint8Array => {
    const message = `too ${what} resource version: ${String(position)} (${String(objects.revision())})`
    release()
    return errorLine({ _tag: 'Expired', message })
  }
  /** None of a revision that is not there yet. */
  const bookmark = (): Uint8Array | undefined =>
    watched.hasBookmarks && position <= objects.revision()
      ? representation.bookmark(String(position), false)
      : undefined

  /** The next line; `undefined`: there is none yet, or it is over. */
  const take = (): Uint8Array | undefined => {
    const told = takeInitial()
    if (told !== undefined) return told
    if (isMarkDue) {
      isMarkDue = false
      return representation.bookmark(String(position), true)
    }
    for (;;) {
      const change = takeChange()
      if (change !== undefined) return change
      if (isTimeOver) {
        const last = bookmark()
        release()
        return last
      }
      if (objects.revision() <= position) break
      if (!fill()) return expired('old')
    }
    if (isPatienceOver && objects.revision() < position) return expired('large')
    if (!isBookmarkDue) return undefined
    isBookmarkDue = false
    armBookmark()
    return bookmark()
  }
  const step = (): Step | undefined => {
    if (isOver || signal.aborted) {
      release()
      return done
    }
    try {
      if (!isBegun) begin()
      const line = take()
      if (line !== undefined) return stepOf(E.right(line))
      return isOver ? done : undefined
    } catch (cause) {
      release()
      return stepOf(E.left(unexpected(cause)))
    }
  }
  const flush = (): void => {
    isWakeDue = false
    while (waiting[0] !== undefined) {
      const next = step()
      if (next === undefined) return
      waiting.shift()?.(next)
    }
  }
  /** In a turn of its own: whoever changes something waits for no watcher, and nothing is thrown at him. */
  const wake = (): void => {
    if (isWakeDue || waiting.length === 0) return
    isWakeDue = true
    queueMicrotask(flush)
  }
  return {
    next: () => {
      const ready = waiting.length > 0 ? undefined : step()
      return ready === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(ready)
    },
    return: () => {
      end()
      return Promise.resolve(done)
    },
  }
}
