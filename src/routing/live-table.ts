import { E } from '../fp.ts'
import type { Logger } from '../logger.ts'
import type { DataPlaneServiceSource, RejectedObject, Snapshot } from '../source.ts'
import { compile, emptyTable, verdictsOf, type Definitions, type RouteTable, type Verdict } from './table.ts'

/** What became of every object that the source found. */
export interface Registry {
  readonly verdicts: ReadonlyArray<Verdict>
  readonly rejected: ReadonlyArray<RejectedObject>
}

/** The table that serves now, swapped whole. A request keeps the one that it began with. */
export interface LiveTable {
  readonly current: () => RouteTable
  readonly registry: () => Registry
  /** Resolves when the first snapshot is compiled, or at `close`. */
  readonly ready: Promise<void>
  readonly close: () => Promise<void>
}

const logChanges = (logger: Logger, before: Registry, after: Registry): void => {
  const known = new Set(before.verdicts)
  const knownRejected = new Set(before.rejected)
  for (const verdict of after.verdicts) {
    if (known.has(verdict)) continue
    const { name } = verdict.service.metadata
    if (verdict.conflicts.length > 0)
      logger.warn('data plane service has conflicts', { name, causes: verdict.conflicts })
    else logger.info('data plane service is routed', { name })
  }
  const names = new Set(after.verdicts.map(({ service }) => service.metadata.name))
  for (const { service } of before.verdicts) {
    if (!names.has(service.metadata.name)) logger.info('data plane service is gone', { name: service.metadata.name })
  }
  for (const rejected of after.rejected) {
    if (!knownRejected.has(rejected)) logger.warn('object is rejected', { ...rejected })
  }
}

/** Follows a source: compiles each snapshot aside, then swaps. A lost source, or a snapshot that fails, leaves the last good table. */
export const liveTable = (source: DataPlaneServiceSource, definitions: Definitions, logger: Logger): LiveTable => {
  let table = emptyTable
  let registry: Registry = { verdicts: [], rejected: [] }
  let resolveFirst = (): void => undefined
  const ready = new Promise<void>((resolve) => {
    resolveFirst = resolve
  })

  const swap = (snapshot: Snapshot): void => {
    const next = E.tryCatch(() => compile(snapshot.services, definitions, table), E.toError)
    if (E.isLeft(next)) {
      logger.error('snapshot of data plane services cannot be compiled', { cause: next.left })
      return
    }
    const before = registry
    table = next.right
    registry = { verdicts: verdictsOf(table), rejected: snapshot.rejected }
    resolveFirst()
    logChanges(logger, before, registry)
  }

  const unsubscribe = source.subscribe({
    next: swap,
    error: ({ message, origin, cause }) => {
      logger.error('source of data plane services has an error', { message, origin, cause })
    },
  })
  const close = async (): Promise<void> => {
    await unsubscribe()
    resolveFirst()
  }
  return { current: () => table, registry: () => registry, ready, close }
}
