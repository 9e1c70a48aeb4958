import type { StoredObject } from '../api/object.ts'
import type { ObjectStore } from '../object-store.ts'
import { nameAfter } from './continue-token.ts'
import { everything, type Selection } from './selectors.ts'

/** What an object was like then, and whether there is one now. */
interface Former {
  readonly name: string
  readonly then: StoredObject | undefined
  readonly isThereNow: boolean
}

/** All objects at one revision: those of now, but for what has changed since. Both in the order of their names. */
export interface ListState {
  readonly revision: number
  readonly objects: ReadonlyArray<StoredObject>
  readonly former: ReadonlyArray<Former>
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The first index whose name is not before a name. */
const indexOf = <A>(list: ReadonlyArray<A>, nameOf: (item: A) => string, name: string): number => {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const item = list[middle]
    if (item !== undefined && nameOf(item) < name) low = middle + 1
    else high = middle
  }
  return low
}

const nameOfObject = ({ metadata }: StoredObject): string => metadata.name
const nameOfFormer = ({ name }: Former): string => name

/** `undefined`: the changes since then are not remembered. Costs by their number, not by that of the objects. */
export const stateAt = (objects: ObjectStore, revision: number): ListState | undefined => {
  const events = objects.since(revision)
  if (events === undefined) return undefined
  const then = new Map<string, StoredObject | undefined>()
  for (const { object, previous } of events) {
    const { name } = object.metadata
    if (!then.has(name)) then.set(name, previous)
  }
  const former = [...then]
    .map(([name, object]): Former => ({ name, then: object, isThereNow: objects.get(name) !== undefined }))
    .toSorted((a, b) => compare(a.name, b.name))
  return { revision, objects: objects.list(), former }
}

/** All objects now. */
export const presentState = (objects: ObjectStore): ListState => ({
  revision: objects.revision(),
  objects: objects.list(),
  former: [],
})

/** The objects of a state in order, from a name on. */
function* objectsFrom({ objects, former }: ListState, start: string): Iterable<StoredObject> {
  let i = indexOf(objects, nameOfObject, start)
  let j = indexOf(former, nameOfFormer, start)
  for (;;) {
    const now = objects[i]
    const old = former[j]
    if (old === undefined || (now !== undefined && now.metadata.name < old.name)) {
      if (now === undefined) return
      yield now
      i++
    } else {
      if (now?.metadata.name === old.name) i++
      if (old.then !== undefined) yield old.then
      j++
    }
  }
}

const countFrom = ({ objects, former }: ListState, start: string): number =>
  former
    .slice(indexOf(former, nameOfFormer, start))
    .reduce(
      (count, { then, isThereNow }) => count + Number(then !== undefined) - Number(isThereNow),
      objects.length - indexOf(objects, nameOfObject, start),
    )

/** A piece of a list. */
export interface Page {
  readonly items: ReadonlyArray<StoredObject>
  /** Where the next one begins; `undefined`: there is none. */
  readonly next: string | undefined
  /** How many are still to come; `undefined` where they would have to be looked for. */
  readonly remaining: number | undefined
}

/** `limit`: 0 for no limit. */
export const pageOf = (state: ListState, selects: Selection, start: string, limit: number): Page => {
  const items: StoredObject[] = []
  for (const object of objectsFrom(state, start)) {
    if (!selects(object)) continue
    if (limit > 0 && items.length === limit) {
      const next = nameAfter(items.at(-1)?.metadata.name ?? '')
      return { items, next, remaining: selects === everything ? countFrom(state, next) : undefined }
    }
    items.push(object)
  }
  return { items, next: undefined, remaining: undefined }
}
