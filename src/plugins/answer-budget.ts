/** Bytes of answers that are in flight, of all plugins of one host. */
export interface AnswerBudget {
  /** Whether there is room for one more answer, of whatever size. */
  hasRoom(): boolean
  /** Counts an answer until `over` resolves; false, and nothing is counted, when the budget is used up. */
  hold(bytes: number, over: Promise<unknown>): boolean
}

/** No more than `limitBytes` are held at once, except that one answer of any size is taken while nothing else is held. */
export const createAnswerBudget = (limitBytes: number): AnswerBudget => {
  let heldBytes = 0
  return {
    hasRoom: () => heldBytes < limitBytes,
    hold: (bytes, over) => {
      if (heldBytes > 0 && heldBytes + bytes > limitBytes) return false
      heldBytes += bytes
      const letGo = (): void => {
        heldBytes -= bytes
      }
      void over.then(letGo, letGo)
      return true
    },
  }
}
