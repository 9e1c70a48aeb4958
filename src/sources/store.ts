import { group, resource } from '../api/dataplane-service.ts'
import type { StoredObject } from '../api/object.ts'
import { unexpected, type AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { ObjectStore, StoreEvent } from '../object-store.ts'
import { createSorted } from './sorted.ts'

export interface StoreOptions {
  /** The clock that the first revision is taken from, ms since the epoch. */
  readonly now?: () => number
  /** So many changes are remembered, for watches that come back. */
  readonly historyLimit?: number
  /** And so many characters of JSON that only they hold, for objects may be large; the last change in any case. */
  readonly historyChars?: number
}

/** The state that a source keeps. How a change gets to where it is to last is the source's own affair. */
export interface Store extends Omit<ObjectStore, 'ready' | 'commit'> {
  /** `commit` at once, and nowhere but here. */
  readonly swap: (
    name: string,
    expected: StoredObject | undefined,
    next: StoredObject | undefined,
  ) => E.Either<AggregatorError, StoredObject>
}

/** Somebody was faster. Source: the message of OptimisticLockErrorMsg of the API server. */
export const staleObject = (name: string): AggregatorError => ({
  _tag: 'Conflict',
  message:
    `Operation cannot be fulfilled on ${resource}.${group} "${name}": ` +
    'the object has been modified; please apply your changes to the latest version and try again',
  details: { name, group, kind: resource },
})

const partsOf = ({ metadata, ...rest }: StoredObject): ReadonlyArray<unknown> => [
  ...Object.values<unknown>(rest),
  ...Object.values<unknown>({ ...metadata }),
]

const addLength = (sum: number, part: unknown): number => sum + JSON.stringify(part).length

/** What nothing but the memory of this change still holds; most of an object is often the very same after it. */
const charsOf = ({ type, object, previous }: StoreEvent): number => {
  const kept = new Set(type === 'DELETED' ? [] : partsOf(object))
  const left = previous === undefined ? [] : partsOf(previous).filter((part) => part !== undefined && !kept.has(part))
  // who commits what is no JSON has it in memory as well, and is told so where it is read
  return E.getOrElse(() => 0)(E.tryCatch(() => left.reduce<number>(addLength, 0), E.toError))
}

/**
 * Objects by name, and the last changes of them. Revisions go on from the clock, a thousand to the millisecond, so that none comes
 * again after a restart.
 */
export const createStore = ({
  now = Date.now,
  historyLimit = 10_000,
  historyChars = 64 * 1024 * 1024,
}: StoreOptions = {}): Store => {
  const objects = new Map<string, StoredObject>()
  const first = Math.floor(now()) * 1000
  let revision = first
  const sorted = createSorted<StoredObject>()
  const history: Array<{ readonly event: StoreEvent; readonly chars: number } | undefined> = []
  let heldChars = 0
  /** The last revision whose event is not there any more. */
  let forgotten = first
  const listeners = new Map<symbol, { readonly since: number; readonly listener: (event: StoreEvent) => void }>()
  const untold: StoreEvent[] = []
  let isTelling = false

  /** A listener that makes a change itself must not have the others hear of it before they hear of the first one. */
  const tell = (event: StoreEvent): void => {
    untold.push(event)
    if (isTelling) return
    isTelling = true
    for (let next = untold.shift(); next !== undefined; next = untold.shift()) {
      for (const { since, listener } of listeners.values()) {
        try {
          if (next.revision > since) listener(next)
        } catch {
          // one that throws takes nothing from the others
        }
      }
    }
    isTelling = false
  }

  /** Where the event of a revision is in it. */
  const placeOf = (asked: number): number => (asked - first - 1) % historyLimit

  const remember = (event: StoreEvent): void => {
    const chars = charsOf(event)
    heldChars += chars
    while (revision - forgotten > 1 && (revision - forgotten > historyLimit || heldChars > historyChars)) {
      const place = placeOf(++forgotten)
      heldChars -= history[place]?.chars ?? 0
      history[place] = undefined
    }
    history[placeOf(revision)] = { event, chars }
  }

  return {
    revision: () => revision,
    get: (name) => objects.get(name),
    list: sorted.list,
    swap: (name, expected, next) => {
      if (objects.get(name) !== expected) return E.left(staleObject(name))
      const last = next ?? expected
      if (last === undefined) return E.left(staleObject(name))
      if (last.metadata.name !== name) return E.left(unexpected(new TypeError('expected an object of the same name')))
      if (next === expected) return E.right(last)
      revision += 1
      const object: StoredObject = { ...last, metadata: { ...last.metadata, resourceVersion: String(revision) } }
      if (next === undefined) {
        objects.delete(name)
        sorted.remove(name)
      } else {
        objects.set(name, object)
        sorted.put(object)
      }
      const changed = { object, revision }
      const event: StoreEvent =
        expected === undefined
          ? { type: 'ADDED', ...changed }
          : { type: next === undefined ? 'DELETED' : 'MODIFIED', ...changed, previous: expected }
      remember(event)
      tell(event)
      return E.right(object)
    },
    since: (asked) => {
      if (asked > revision || asked < forgotten) return undefined
      const events: StoreEvent[] = []
      for (let next = asked + 1; next <= revision; next++) {
        const known = history[placeOf(next)]
        if (known !== undefined) events.push(known.event)
      }
      return events
    },
    subscribe: (listener) => {
      const key = Symbol('listener')
      listeners.set(key, { since: revision, listener })
      return () => {
        listeners.delete(key)
      }
    },
  }
}
