/** Runs one after the other, in the order of the calls. A task that rejects does not stop the next one. */
export type Queue = <A>(task: () => Promise<A>) => Promise<A>

export const createQueue = (): Queue => {
  let last: Promise<unknown> = Promise.resolve()
  return (task) => {
    const mine = last.then(task)
    last = mine.catch(() => undefined)
    return mine
  }
}
