import type { Observer, Outcome } from '../../src/telemetry.ts'

export const broken = (): never => {
  throw new Error('broken')
}

/** An observer that keeps how requests ended. */
export const recordingObserver = (): Observer & { readonly outcomes: ReadonlyArray<Outcome> } => {
  const outcomes: Outcome[] = []
  const observe: Observer = () => ({
    ended: (outcome) => {
      outcomes.push(outcome)
    },
  })
  return Object.assign(observe, { outcomes })
}
