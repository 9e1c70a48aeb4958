import type { Collection, KubernetesFailure, KubernetesObject, ObjectChange } from '../kubernetes.ts'
import type { Logger } from '../logger.ts'
import { quote, type WatchEvent } from './events.ts'
import { createKnown, isOlder } from './known.ts'
import type { Listed } from './list.ts'
import { keyOf } from './objects.ts'

/** Kinds of trouble that are logged, once each. */
const maxLogged = 32

/** What some events have come to. */
export interface Taken {
  /** In order. */
  readonly changes: ReadonlyArray<ObjectChange>
  /** They are, with what was told before, all that there is. */
  readonly isWhole: boolean
  /** The apiserver told of it; the events after it are not looked at. */
  readonly failure: KubernetesFailure | undefined
}

/** What is known of a collection, and up to where. */
export interface View {
  /** The resourceVersion to go on from; `undefined`: nothing was taken in yet. */
  readonly position: () => string | undefined
  /** Events that come before their marker are kept aside from now on, until it comes, and make up everything; what was kept is dropped. */
  readonly collect: () => void
  readonly takeEvents: (events: ReadonlyArray<WatchEvent>) => Taken
  readonly takeList: (listed: Listed) => ReadonlyArray<ObjectChange>
  /** No more is kept aside. */
  readonly dropCollected: () => void
}

/** `onBookmark` is called for each one but the marker, which promises no other; `onConfirm` when the apiserver says that it is not behind what is known, maybe that it is ahead. */
export interface ViewListener {
  readonly onBookmark: () => void
  readonly onConfirm: (isNewer: boolean) => void
}

export const createView = ({ path }: Collection, logger: Logger, { onBookmark, onConfirm }: ViewListener): View => {
  const known = createKnown()
  const logged = new Set<string>()
  let collected: Map<string, KubernetesObject> | undefined
  let position: string | undefined
  let kind: string | undefined

  const logOnce = (what: string): void => {
    if (logged.has(what) || logged.size === maxLogged) return
    logged.add(what)
    logger.warn('apiserver sent what no collection holds: skipped', { path, what })
  }
  const isOfKind = (object: KubernetesObject): boolean => {
    if (kind === undefined || object.kind === undefined || object.kind === kind) return true
    logOnce(`an object of kind ${typeof object.kind === 'string' ? quote(object.kind) : typeof object.kind}`)
    return false
  }
  const moveTo = (resourceVersion: string | undefined): void => {
    if (!resourceVersion || isOlder(resourceVersion, position)) return
    const isNewer = resourceVersion !== position
    position = resourceVersion
    onConfirm(isNewer)
  }

  /** `undefined`: everything that was kept aside is told now. */
  const keepAside = (
    event: WatchEvent,
    aside: Map<string, KubernetesObject>,
  ): ReadonlyArray<ObjectChange> | undefined => {
    if (event._tag === 'Put') aside.set(keyOf(event.object), event.object)
    if (event._tag === 'Removed') aside.delete(keyOf(event.object))
    if (event._tag !== 'Bookmark' || !event.isMarker) return []
    collected = undefined
    kind = event.kind ?? kind
    position = event.resourceVersion
    return undefined
  }

  const follow = (event: WatchEvent): ReadonlyArray<ObjectChange> => {
    if (event._tag === 'Bookmark') moveTo(event.resourceVersion)
    if ((event._tag !== 'Put' && event._tag !== 'Removed') || !isOfKind(event.object)) return []
    moveTo(event.object.metadata.resourceVersion)
    return event._tag === 'Put' ? known.put(event.object) : known.remove(event.object)
  }

  return {
    position: () => position,
    collect: () => {
      collected = new Map()
    },
    dropCollected: () => {
      collected = undefined
    },
    takeEvents: (events) => {
      const changes: Array<ObjectChange> = []
      let isWhole = false
      for (const event of events) {
        if (event._tag === 'Failed') return { changes, isWhole, failure: event.failure }
        if (event._tag === 'Foreign') logOnce(event.what)
        if (event._tag === 'Bookmark' && !event.isMarker) onBookmark()
        const aside = collected
        const told = aside === undefined ? follow(event) : keepAside(event, aside)
        isWhole ||= told === undefined
        for (const change of told ?? known.replace([...(aside?.values() ?? [])].filter(isOfKind))) changes.push(change)
      }
      return { changes, isWhole, failure: undefined }
    },
    takeList: (listed) => {
      if (listed.foreignCount > 0) logOnce(`${String(listed.foreignCount)} items of a list`)
      collected = undefined
      kind = listed.kind
      position = listed.resourceVersion
      return known.replace(listed.objects)
    },
  }
}
