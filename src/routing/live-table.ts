import type { DataPlaneService } from '../api/dataplane-service.ts'
import type { StatusCause } from '../api/status.ts'
import { parseDataPlaneService } from '../api/validation.ts'
import { E, O, pipe } from '../fp.ts'
import type { Logger } from '../logger.ts'
import type { DataPlaneServiceSource, RejectedObject, Snapshot, SourceError } from '../source.ts'
import type { Registry } from '../verdict.ts'
import { compile, emptyTable, verdictsOf, type Definitions, type RouteTable } from './table.ts'

/** The table that serves now, swapped whole. A request keeps the one that it began with. */
export interface LiveTable {
  readonly current: () => RouteTable
  readonly registry: () => Registry
  /** Resolves when the first snapshot is compiled, or at `close`. */
  readonly ready: Promise<void>
  readonly close: () => Promise<void>
}

export interface LiveTableOptions {
  readonly definitions: Definitions
  readonly logger: Logger
  /** What every table begins with. Default: nothing. */
  readonly own?: RouteTable
  /** Called after each swap, and when the source tells of an error. Must not throw. */
  readonly onChange?: () => void
}

type Checked = E.Either<RejectedObject, DataPlaneService>

interface State {
  readonly table: RouteTable
  readonly registry: Registry
  /** By the objects as the source gave them, so that each is checked once, and stays the same object. */
  readonly checked: ReadonlyMap<DataPlaneService, Checked>
}

const unreadable: StatusCause = {
  reason: 'FieldValueInvalid',
  field: '',
  message: 'expected an object that can be read',
}

const nameOf = (service: DataPlaneService): string | undefined =>
  pipe(
    O.tryCatch((): unknown => service.metadata.name),
    O.filter((name) => typeof name === 'string'),
    O.toUndefined,
  )

/** Our sources hand over nothing wrong, but one of the host's own may: that shall not cost it the other objects. */
const check = (service: DataPlaneService, index: number): Checked =>
  pipe(
    E.tryCatch(
      () => parseDataPlaneService(service),
      () => [unreadable],
    ),
    E.flatten,
    E.mapLeft((causes) => {
      const name = nameOf(service)
      return { origin: name ?? `#${String(index + 1)}`, name, causes }
    }),
  )

const read = ({ services, rejected = [] }: Snapshot, { definitions, own }: LiveTableOptions, last: State): State => {
  const checked = new Map(
    services.map((service, index) => [service, last.checked.get(service) ?? check(service, index)] as const),
  )
  const all = [...checked.values()]
  const good = all.filter(E.isRight).map(({ right }) => right)
  const bad = all.filter(E.isLeft).map(({ left }) => left)
  const table = compile(good, definitions, last.table, own)
  return { table, registry: { verdicts: verdictsOf(table), rejected: [...rejected, ...bad] }, checked }
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

/**
 * Follows a source: compiles each snapshot aside, then swaps. A lost source, or a snapshot that fails, leaves the last good
 * table. Nothing is thrown into the source.
 */
export const liveTable = (source: DataPlaneServiceSource, options: LiveTableOptions): LiveTable => {
  const { logger, own = emptyTable, onChange } = options
  let state: State = { table: own, registry: { verdicts: [], rejected: [] }, checked: new Map() }
  let resolveFirst = (): void => undefined
  const ready = new Promise<void>((resolve) => {
    resolveFirst = resolve
  })

  const swap = (snapshot: Snapshot): void => {
    const next = E.tryCatch(() => read(snapshot, options, state), E.toError)
    if (E.isLeft(next)) {
      logger.error('snapshot of data plane services cannot be compiled', { cause: next.left })
      return
    }
    const before = state.registry
    state = next.right
    resolveFirst()
    logChanges(logger, before, state.registry)
    onChange?.()
  }

  const unsubscribe = source.subscribe({
    next: swap,
    error: (error: Partial<SourceError> | undefined) => {
      const { message, origin, cause } = error ?? {}
      logger.error('source of data plane services has an error', { message, origin, cause })
      const sourceError = { message: String(message), origin: String(origin), cause }
      state = { ...state, registry: { ...state.registry, sourceError } }
      onChange?.()
    },
  })
  const close = async (): Promise<void> => {
    resolveFirst()
    await unsubscribe()
  }
  return { current: () => state.table, registry: () => state.registry, ready, close }
}
