/** What waits, by turns: each name gives one, and the first that it was given. */
export interface FairQueue<A> {
  readonly size: number
  push(name: string, item: A): void
  /** Takes out whose turn it is; undefined when nothing waits. */
  shift(): A | undefined
  /** Takes out what shall wait no more; nothing happens when it does not wait. */
  remove(name: string, item: A): void
}

export const createFairQueue = <A extends object>(): FairQueue<A> => {
  // both in the order of insertion: the first name is the next one, and goes to the end when it had its turn
  const waiting = new Map<string, Set<A>>()
  let size = 0

  const take = (name: string, items: Set<A>, item: A): void => {
    if (!items.delete(item)) return
    size -= 1
    if (items.size === 0) waiting.delete(name)
  }

  return {
    get size() {
      return size
    },
    push: (name, item) => {
      const items = waiting.get(name)
      if (items === undefined) waiting.set(name, new Set([item]))
      else items.add(item)
      size += 1
    },
    shift: () => {
      for (const [name, items] of waiting) {
        for (const item of items) {
          waiting.delete(name)
          waiting.set(name, items)
          take(name, items, item)
          return item
        }
      }
      return undefined
    },
    remove: (name, item) => {
      const items = waiting.get(name)
      if (items !== undefined) take(name, items, item)
    },
  }
}
