import type { Clock } from '../clock.ts'
import { E } from '../fp.ts'
import type { Collection, KubernetesConnection, KubernetesFailure, ObjectChange } from '../kubernetes.ts'
import type { Logger } from '../logger.ts'
import { createBackoff, sleep } from './backoff.ts'
import type { Contact } from './contact.ts'
import { currentVersion, listCollection } from './list.ts'
import { apiVersionOf } from './objects.ts'
import {
  afterFailedWatch,
  afterRefusedWatch,
  isExpired,
  isOfTheVersion,
  type Remedy,
  watchListAfter,
} from './refusals.ts'
import type { Transport } from './transport.ts'
import type { ReflectorTunables } from './tunables.ts'
import { createTrust } from './trust.ts'
import { createView } from './view.ts'
import { runWatch, type WatchEnd } from './watch-stream.ts'

export interface FollowOptions {
  readonly transport: Pick<Transport, 'open'>
  readonly call: KubernetesConnection['call']
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly logger: Logger
  readonly tunables: ReflectorTunables
  /** Paths whose apiserver does not begin a watch with all that there is. */
  readonly withoutWatchList: Set<string>
  readonly collection: Collection
  readonly contact: Contact
  readonly signal: AbortSignal
}

const lost = (message: string): KubernetesFailure => ({ _tag: 'Unreachable', message })

/** So many watches in a row may end at once, though each has brought something. */
const maxBriefWatches = 5

const isCancelled = (end: WatchEnd): boolean => end._tag === 'NotOpened' && end.failure._tag === 'Cancelled'

/**
 * Follows a collection until the signal is aborted or the connection closed: takes in all that there is, watches from there, and goes on
 * from the last resourceVersion, or takes it all in anew, as each end asks for. One request at a time.
 */
export const followCollection = async (options: FollowOptions): Promise<void> => {
  const { transport, clock, random, logger, tunables, withoutWatchList, collection, contact, signal } = options
  const { path, labelSelector, fieldSelector } = collection
  const apiVersion = apiVersionOf(collection)
  const asking = { call: options.call, timeoutMs: tunables.listTimeoutMs }
  const backoff = createBackoff(clock, random)
  const trust = createTrust(clock, tunables)
  let hasBookmarks = false
  const view = createView(collection, logger, {
    onBookmark: () => {
      hasBookmarks = true
    },
    onConfirm: trust.confirm,
  })
  let isListed = true
  let isListNext = false
  /** Nothing has come of a watch since everything was taken in. */
  let isFresh = false
  /** Contact was lost for a while: it may be another history that we come back to. */
  let isDoubtful = false
  let listVersion: string | undefined = '0'
  /** Everything is asked for only as nothing has confirmed it. */
  let isRoutine = false
  let expiredAtMs = -Infinity
  let briefWatches = 0

  const synced = (changes: ReadonlyArray<ObjectChange>): void => {
    trust.synced(changes.length > 0, isRoutine)
    isRoutine = false
    isListed = false
    isListNext = false
    isFresh = true
    isDoubtful = false
    listVersion = undefined
  }

  const shake = (): void => {
    isDoubtful = true
    trust.shake()
  }

  const watch = async (isWithInitial: boolean) => {
    const timeoutMs = Math.round(tunables.watchMs * (1 + random()))
    const query = new URLSearchParams({ watch: 'true', allowWatchBookmarks: 'true' })
    query.set('timeoutSeconds', String(Math.max(1, Math.floor(timeoutMs / 1000))))
    if (labelSelector) query.set('labelSelector', labelSelector)
    if (fieldSelector) query.set('fieldSelector', fieldSelector)
    if (isWithInitial) {
      query.set('sendInitialEvents', 'true')
      query.set('resourceVersionMatch', 'NotOlderThan')
      view.collect()
    } else {
      query.set('resourceVersion', view.position() ?? '')
    }
    let openedAtMs = clock.now()
    let isOpen = false
    let isWhole = !isWithInitial
    let from = view.position()
    let cancelSettled = (): void => undefined
    const end = await runWatch({
      transport,
      clock,
      path,
      query,
      signal,
      apiVersion,
      headersTimeoutMs: tunables.headersTimeoutMs,
      maxLineBytes: tunables.maxLineBytes,
      onOpen: () => {
        isOpen = true
        openedAtMs = clock.now()
        contact.heard()
        if (isWithInitial) return
        // one that goes on from earlier may have much to tell of: it is no contact before that has come
        if (isFresh) contact.recovered()
        else cancelSettled = clock.setTimeout(contact.recovered, tunables.shortMs)
      },
      onEvents: (events) => {
        if (events.length === 0) return undefined
        contact.heard()
        const taken = view.takeEvents(events)
        if (taken.isWhole) {
          isWhole = true
          from = view.position()
          synced(taken.changes)
          contact.synced(taken.changes)
          contact.recovered()
        } else {
          contact.changed(taken.changes)
          if (isWhole && events.some(({ _tag }) => _tag === 'Bookmark')) contact.recovered()
        }
        return taken.failure && { _tag: 'Failed', failure: taken.failure }
      },
      dueAtMs: (heardAtMs) => {
        openedAtMs = Math.min(openedAtMs, clock.now())
        if (!isWhole) return Math.min(heardAtMs + tunables.markerMs, openedAtMs + tunables.initialMs)
        const endMs = openedAtMs + timeoutMs + tunables.slackMs
        return hasBookmarks ? Math.min(heardAtMs + tunables.silenceMs, endMs) : endMs
      },
    })
    cancelSettled()
    view.dropCollected()
    const isMoved = view.position() !== from
    const isBrief = isOpen && clock.now() - openedAtMs < tunables.shortMs
    if (isMoved || (isOpen && !isBrief && isWhole)) isFresh = false
    return { end, isWhole, isBrief, isShort: isBrief && !isMoved }
  }

  /** After a watch that goes on from what is known. */
  const remedyAfter = (end: WatchEnd, isShort: boolean): Remedy => {
    if (end._tag === 'NotOpened' || end._tag === 'Failed') {
      // history is lost at times; it is not where it was given a moment ago, nor all the time
      if (isExpired(end.failure) && !isFresh && clock.now() - expiredAtMs >= tunables.confirmMs) {
        expiredAtMs = clock.now()
        return { isListed: true }
      }
      return end._tag === 'NotOpened' ? afterRefusedWatch(end.failure) : afterFailedWatch(end.failure)
    }
    return isShort ? { isListed: false, failure: lost('the watch ended at once') } : { isListed: false }
  }

  /** After one that was to tell of all that there is first, and did not come so far. */
  const remedyWithoutMarker = (end: WatchEnd): Remedy => {
    const failure = end._tag === 'NotOpened' || end._tag === 'Failed' ? end.failure : undefined
    const next = failure === undefined ? 'not now' : watchListAfter(failure)
    if (next === 'again') return { isListed: true, ...(failure && { failure }) }
    if (next === 'never' || end._tag === 'Silent') {
      withoutWatchList.add(path)
      logger.info('apiserver does not begin a watch with all objects: they are listed', { path })
    }
    // at once: should that fail, too, there will be a wait
    isListNext = true
    return { isListed: true }
  }

  const list = async (): Promise<Remedy> => {
    // what nobody has confirmed may be of a history that is no more: then only the present counts
    const version = listVersion ?? (trust.isUnconfirmed() ? '' : (view.position() ?? '0'))
    const listed = await listCollection(asking, collection, version, signal)
    if (E.isRight(listed)) {
      contact.heard()
      const changes = view.takeList(listed.right)
      synced(changes)
      contact.synced(changes)
      return { isListed: false }
    }
    isListNext = false
    if (version === '' || !isOfTheVersion(listed.left)) return { isListed: true, failure: listed.left }
    listVersion = ''
    isListNext = true
    return { isListed: true }
  }

  /**
   * A store that was restored from an earlier copy of itself counts from there: a watch from what is known would be silent until it has
   * caught up, and all that was changed before would stay unknown, for good if bookmarks then went on.
   */
  const doubt = async (): Promise<Remedy | undefined> => {
    if (!isDoubtful && !trust.isUnproven()) return undefined
    const current = await currentVersion(asking, collection, signal)
    if (E.isLeft(current)) {
      const remedy = afterRefusedWatch(current.left)
      if (isDoubtful || !remedy.isListed || current.left._tag === 'Cancelled') return remedy
      // whoever may watch may not list, maybe: to be told of everything is a proof, too, and says why should it fail
      return { isListed: true }
    }
    isDoubtful = false
    if (trust.isProvenBy(current.right, view.position())) return undefined
    listVersion = ''
    return { isListed: true }
  }

  /** `undefined`: the connection is closed. */
  const step = async (): Promise<Remedy | undefined> => {
    if (isListed && (isListNext || withoutWatchList.has(path))) return list()
    const remedy = isListed ? undefined : await doubt()
    if (remedy !== undefined) return remedy
    const { end, isWhole, isBrief, isShort } = await watch(isListed)
    briefWatches = isBrief ? briefWatches + 1 : 0
    if (isCancelled(end)) return undefined
    if (end._tag === 'Silent') {
      shake()
      // they may be rarer than silence is: the next one has to prove that they come
      hasBookmarks = false
    }
    return isWhole ? remedyAfter(end, isShort || briefWatches > maxBriefWatches) : remedyWithoutMarker(end)
  }

  while (!signal.aborted) {
    const remedy = await step()
    if (remedy === undefined || signal.aborted || remedy.failure?._tag === 'Cancelled') return
    const { failure } = remedy
    if (failure !== undefined) {
      if (failure._tag === 'Unreachable') shake()
      contact.failed(failure)
      await sleep(clock, backoff.next(failure._tag === 'Refused' ? failure.retryAfterMs : undefined), signal)
    }
    isRoutine = !remedy.isListed && trust.isDue()
    isListed = remedy.isListed || isRoutine
  }
}
