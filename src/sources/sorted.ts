interface Named {
  readonly metadata: { readonly name: string }
}

/** A list in the order of its names' code units. A change costs a search and, if somebody holds the last list, a copy. */
export interface Sorted<A extends Named> {
  /** Never changed after it was given away: the same until something else is. */
  readonly list: () => ReadonlyArray<A>
  readonly put: (one: A) => void
  readonly remove: (name: string) => void
}

export const createSorted = <A extends Named>(): Sorted<A> => {
  let sorted: A[] = []
  let isGivenAway = false

  const indexOf = (name: string): number => {
    let [low, high] = [0, sorted.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((sorted[middle]?.metadata.name ?? '') < name) low = middle + 1
      else high = middle
    }
    return low
  }

  const place = (name: string, ones: ReadonlyArray<A>): void => {
    if (isGivenAway) sorted = sorted.slice()
    isGivenAway = false
    const index = indexOf(name)
    sorted.splice(index, sorted[index]?.metadata.name === name ? 1 : 0, ...ones)
  }

  return {
    list: () => {
      isGivenAway = true
      return sorted
    },
    put: (one) => {
      place(one.metadata.name, [one])
    },
    remove: (name) => {
      place(name, [])
    },
  }
}
