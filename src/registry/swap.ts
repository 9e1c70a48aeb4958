import type { StoredObject } from '../api/object.ts'
import type { AggregatorError, Result } from '../errors.ts'
import { E } from '../fp.ts'
import type { ObjectStore } from '../object-store.ts'
import { inTurn } from './turns.ts'

/** What a request makes of the object that is there. */
export interface Step {
  /** What comes in its place. The very same (`===`): nothing is to be done. `undefined`: nothing, it is deleted. */
  readonly next: StoredObject | undefined
  /** What its author reads, where that is not what is stored. */
  readonly answer?: StoredObject
}

/** Pure: asked again whenever somebody else was faster. */
export type Decide<S extends Step> = (live: StoredObject | undefined) => E.Either<AggregatorError, S>

export interface SwapOptions {
  readonly name: string
  /** Everything but the change itself. */
  readonly isDryRun: boolean
  /** Aborted when nobody waits any more: from then on nothing is changed. */
  readonly signal: AbortSignal
}

/** What became of it. */
export interface Swapped<S extends Step> {
  readonly object: StoredObject | undefined
  readonly isCreated: boolean
  readonly step: S
}

/** In each of them somebody who did not come through here was faster. */
const maxRounds = 100

/** Lets others have their turn. */
export const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

const swapNow = async <S extends Step>(
  objects: ObjectStore,
  { name, isDryRun, signal }: SwapOptions,
  decide: Decide<S>,
): Promise<E.Either<AggregatorError, Swapped<S>>> => {
  for (let round = 1; ; round++) {
    if (signal.aborted) return E.left({ _tag: 'Cancelled' })
    const live = objects.get(name)
    const decided = decide(live)
    if (E.isLeft(decided)) return decided
    const step = decided.right
    const isCreated = live === undefined
    if (isDryRun || step.next === live) {
      return E.right({ object: step.answer ?? step.next ?? live, isCreated, step })
    }
    const committed = await objects.commit(name, live, step.next)()
    if (E.isRight(committed)) return E.right({ object: step.answer ?? committed.right, isCreated, step })
    if (committed.left._tag !== 'Conflict' || round === maxRounds) return committed
    await nextTurn()
  }
}

/**
 * The one way to change an object: looks at it, decides, and puts the outcome in its place, unless somebody was faster; then from the
 * beginning, as Kubernetes does. Who comes through here waits for his turn; others, such as who writes the status or edits the file, do
 * not. Fails with what `decide` fails with, Cancelled, Forbidden, StoreFailed, and Conflict when somebody is always faster.
 */
export const swap =
  <S extends Step>(objects: ObjectStore, options: SwapOptions, decide: Decide<S>): Result<Swapped<S>> =>
  async () => {
    await objects.ready
    return inTurn(objects, options.name, () => swapNow(objects, options, decide))
  }
