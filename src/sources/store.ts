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

/**
 * Objects by name, and the last changes of them. Revisions go on from the clock, a thousand to the millisecond, so that none comes
 * again after a restart.
 */
export const createStore = ({ now = Date.now, historyLimit = 10_000 }: StoreOptions = {}): Store => {
  const objects = new Map<string, StoredObject>()
  const first = Math.floor(now()) * 1000
  let revision = first
  const sorted = createSorted<StoredObject>()
  /** The event of a revision is at `(revision - first - 1) % historyLimit`. */
  const history: StoreEvent[] = []
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
      history[(revision - first - 1) % historyLimit] = event
      tell(event)
      return E.right(object)
    },
    since: (asked) => {
      if (asked > revision || asked < revision - history.length) return undefined
      const events: StoreEvent[] = []
      for (let next = asked + 1; next <= revision; next++) {
        const event = history[(next - first - 1) % historyLimit]
        if (event !== undefined) events.push(event)
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
