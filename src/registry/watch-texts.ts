import type { StoreEvent } from '../object-store.ts'
import type { Representation } from './representation.ts'
import { toldOf, type Change } from './watch-change.ts'

/** The lines that watchers read of changes. */
export interface WatchTexts {
  readonly textOf: (event: StoreEvent, change: Change, representation: Representation, isFirst: boolean) => Uint8Array
}

/** Watchers that keep up read the same change at about the same time: the others can do without. */
const keptEvents = 64
const keptBytes = 16 * 1024 * 1024

interface Kept {
  readonly texts: Map<string, Uint8Array>
  bytes: number
}

/** Each line is made once, however many watchers read it, as long as they do so soon. */
export const createWatchTexts = (): WatchTexts => {
  const kept = new Map<StoreEvent['object'], Kept>()
  let total = 0

  const shrink = (): void => {
    for (const [object, { bytes }] of kept) {
      if (kept.size <= keptEvents && total <= keptBytes) return
      kept.delete(object)
      total -= bytes
    }
  }
  const keep = (object: StoreEvent['object'], key: string, text: Uint8Array): void => {
    const of = kept.get(object) ?? { texts: new Map<string, Uint8Array>(), bytes: 0 }
    kept.set(object, of)
    of.texts.set(key, text)
    of.bytes += text.length
    total += text.length
    shrink()
  }
  return {
    textOf: (event, change, representation, isFirst) => {
      const key = `${change} ${String(isFirst)} ${representation.key}`
      const known = kept.get(event.object)?.texts.get(key)
      if (known !== undefined) return known
      const told = toldOf(event, change)
      const text = representation.event(told.type, told.object, isFirst)
      keep(event.object, key, text)
      return text
    },
  }
}
