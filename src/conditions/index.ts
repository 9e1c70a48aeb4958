import type { DataPlaneServiceStatus } from '../api/object.ts'
import { systemClock, type Clock } from '../clock.ts'
import { unexpected, type Result } from '../errors.ts'
import { E, TE, pipe } from '../fp.ts'
import type { Logger } from '../logger.ts'
import type { PluginHost } from '../plugin.ts'
import type { DataPlaneServiceSource } from '../source.ts'
import type { Registry } from '../verdict.ts'
import { judge, type Judged, type KnownVerdicts } from './accepted.ts'
import { withConditions, type WantedCondition } from './apply.ts'
import { lookAt } from './availability.ts'
import { isSameFinding, type Finding } from './finding.ts'
import { settle, type View } from './settle.ts'
import { createWrites } from './writes.ts'

export interface ConditionsOptions {
  /** What became of every object, now. */
  readonly registry: () => Registry
  readonly updateStatus: NonNullable<DataPlaneServiceSource['updateStatus']>
  readonly plugins: PluginHost
  readonly logger: Logger
  readonly clock?: Clock
  /** How long a plugin must have been unwell before that is written, ms. Default 2000. */
  readonly settleMs?: number
}

export interface Conditions {
  /** Tells it that the registry has changed. */
  readonly changed: () => void
  /** Resolves when nothing is written any more. */
  readonly close: () => Promise<void>
}

/** Changes that come this close together are looked at together, ms. */
const batchMs = 100

/** What is true of one object. */
interface Present {
  readonly judged: Judged
  /** Left out while that is not settled: what was written before stays. */
  readonly available: Finding | undefined
}

const isSamePresent = (a: Present, b: Present): boolean =>
  a.judged.service === b.judged.service &&
  a.judged.rejected === b.judged.rejected &&
  isSameFinding(a.judged.accepted, b.judged.accepted) &&
  isSameFinding(a.available, b.available)

const wantedOf = ({ judged, available }: Present): ReadonlyArray<WantedCondition> => {
  const { accepted, generation, service } = judged
  const conditions: WantedCondition[] = [{ type: 'Accepted', ...accepted, observedGeneration: generation }]
  if (available === undefined) return conditions
  return [...conditions, { type: 'Available', ...available, observedGeneration: service?.metadata.generation }]
}

/**
 * Keeps two conditions in the status of every object true. `Accepted`: whether its claims stand. `Available`: whether there is
 * somebody to answer for them. Reasons: finding.ts. Written aside, when what is true of an object has changed and its status
 * does not say so yet; no request waits for it. Replicas that share a registry come to the same words for the same state; where
 * their plugins differ, the one that saw a change last has written last, and none writes again because of another.
 */
export const createConditions = (options: ConditionsOptions): Conditions => {
  const { registry, updateStatus, plugins, logger, clock = systemClock, settleMs = 2000 } = options
  const known: KnownVerdicts = new WeakMap()
  let last: Registry | undefined
  let judged: ReadonlyMap<string, Judged> = new Map()
  let views: ReadonlyMap<string, View> = new Map()
  let present: ReadonlyMap<string, Present> = new Map()
  let isClosed = false
  let timer: { readonly atMs: number; readonly cancel: () => void } | undefined

  const change =
    (name: string) =>
    (current: DataPlaneServiceStatus): DataPlaneServiceStatus => {
      // asked late, maybe: what is true by then is written, and nothing after the end, when all that is left is a shutdown
      const found = isClosed ? undefined : present.get(name)
      return found === undefined ? current : withConditions(current, wantedOf(found), clock.now())
    }
  const write = (name: string): Result<void> =>
    pipe(
      // a source of the host's own may throw, or give what is no Either
      TE.tryCatch(async () => {
        const result = await updateStatus(name, change(name))()
        return E.isLeft(result) ? result : E.right(undefined)
      }, unexpected),
      TE.flatMapEither((result) => result),
    )
  const writes = createWrites({ write, logger, clock })

  /** What is true of an object now; to be written when that is news. */
  const tell = (name: string, one: Judged, was: Present | undefined): Present => {
    const ofPlugin = one.pluginId === undefined ? undefined : views.get(one.pluginId)?.shown
    const is = { judged: one, available: one.available ?? ofPlugin }
    if (was !== undefined && isSamePresent(was, is)) return was
    writes.add(name)
    return is
  }

  /** Whether another thing is to be shown of any of them. */
  const lookAtPlugins = (pluginIds: Iterable<string>): boolean => {
    const before = views
    const nowMs = clock.now()
    const settled = [...lookAt(plugins, pluginIds)].map(
      ([id, seen]) => [id, settle(before.get(id) ?? {}, seen, nowMs, settleMs)] as const,
    )
    views = new Map(settled)
    for (const [, { dueMs }] of settled) if (dueMs !== undefined) lookAtTime(dueMs)
    return settled.some(([id, { shown }]) => !isSameFinding(before.get(id)?.shown, shown))
  }

  const look = (): void => {
    const current = registry()
    const isNews = current !== last
    if (isNews) judged = judge(current, known)
    const pluginIds = new Set<string>()
    for (const { pluginId } of judged.values()) if (pluginId !== undefined) pluginIds.add(pluginId)
    if (!lookAtPlugins(pluginIds) && !isNews) return
    const before = present
    present = new Map([...judged].map(([name, one]) => [name, tell(name, one, before.get(name))]))
    last = current
  }

  /** The one timer: for the next look. */
  const lookAtTime = (atMs: number): void => {
    if (isClosed || (timer !== undefined && timer.atMs <= atMs)) return
    timer?.cancel()
    const cancel = clock.setTimeout(
      () => {
        timer = undefined
        const looked = E.tryCatch(look, E.toError)
        if (E.isLeft(looked)) logger.error('conditions of objects cannot be told', { cause: looked.left })
      },
      Math.max(0, atMs - clock.now()),
    )
    timer = { atMs, cancel }
  }

  const changed = (): void => {
    lookAtTime(clock.now() + batchMs)
  }
  const unwatch = plugins.watch?.(changed)
  const close = async (): Promise<void> => {
    isClosed = true
    timer?.cancel()
    unwatch?.()
    await writes.close()
  }
  return { changed, close }
}
