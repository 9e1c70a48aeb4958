/** Bytes of answers that are in flight, of all plugins of one host. */
export interface AnswerBudget {
  /** Whether there is room for one more answer, of whatever size. */
  hasRoom(): boolean
  /** Counts an answer until `over` resolves; false, and nothing is counted, when the budget is used up. */
  hold(bytes: number, over: Promise<void>): boolean
}
