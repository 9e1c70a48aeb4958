/** The last one that waits for each name, of each owner of names. */
const waiting = new WeakMap<object, Map<string, Promise<unknown>>>()

const namesOf = (owner: object): Map<string, Promise<unknown>> => {
  const known = waiting.get(owner) ?? new Map<string, Promise<unknown>>()
  waiting.set(owner, known)
  return known
}

/**
 * Runs what concerns one name one after the other, in the order that it was asked for; other names wait for nothing. Of many who
 * change the same object at once each would else lose to each, and begin again: the square of their number.
 */
export const inTurn = <A>(owner: object, name: string, run: () => Promise<A>): Promise<A> => {
  const names = namesOf(owner)
  const before = names.get(name)
  const mine = before === undefined ? run() : before.then(run, run)
  names.set(name, mine)
  const leave = (): void => {
    if (names.get(name) === mine) names.delete(name)
  }
  mine.then(leave, leave)
  return mine
}
