import type { DataPlaneService } from '../api/dataplane-service.ts'
import type { StatusCause } from '../api/status.ts'
import { parseDataPlaneService } from '../api/validation.ts'
import { E, O, pipe } from '../fp.ts'
import type { Logger } from '../logger.ts'
import type { DataPlaneServiceSource, RejectedObject, Snapshot, SourceError } from '../source.ts'
import type { Registry, Verdict } from '../verdict.ts'
import { emptyTable, recompile, verdictsOf, type Definitions, type RouteTable } from './table.ts'

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
  /** As the source gave them. */
  readonly services: ReadonlyArray<DataPlaneService>
  /** Those of them that cannot be served. */
  readonly bad: ReadonlyMap<DataPlaneService, RejectedObject>
  /** What the source itself rejected. */
  readonly rejected: ReadonlyArray<RejectedObject>
  readonly sourceError?: SourceError
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

/** What is in one list only. Most changes are of one object among many: what both lists begin and end with is passed over. */
const changesBetween = (
  before: ReadonlyArray<DataPlaneService>,
  after: ReadonlyArray<DataPlaneService>,
): { readonly gone: ReadonlyArray<DataPlaneService>; readonly come: ReadonlyArray<DataPlaneService> } => {
  let start = 0
  while (start < before.length && start < after.length && before[start] === after[start]) start++
  let end = 0
  while (end < Math.min(before.length, after.length) - start && before.at(-1 - end) === after.at(-1 - end)) end++
  const [old, young] = [before.slice(start, before.length - end), after.slice(start, after.length - end)]
  const [known, kept] = [new Set(old), new Set(young)]
  return { gone: old.filter((service) => !kept.has(service)), come: [...kept].filter((service) => !known.has(service)) }
}

const rejectedOf = ({ rejected, bad }: State): ReadonlyArray<RejectedObject> => [...rejected, ...bad.values()]

const textOf = ({ conflicts }: Verdict): string => conflicts.map(({ message }) => message).join('; ')

/** Of one group and version: what is new, or fares otherwise than before, and what is gone. */
const logVerdicts = (logger: Logger, before: ReadonlyArray<Verdict>, after: ReadonlyArray<Verdict>): void => {
  const known = new Map(before.map((verdict) => [verdict.service, textOf(verdict)]))
  const names = new Set(after.map(({ service }) => service.metadata.name))
  for (const verdict of after) {
    const { service, conflicts } = verdict
    const { name } = service.metadata
    if (known.get(service) === textOf(verdict)) continue
    if (conflicts.length > 0) logger.warn('data plane service has conflicts', { name, causes: conflicts })
    else logger.info('data plane service is routed', { name })
  }
  for (const { service } of before) {
    const { name } = service.metadata
    if (!names.has(name)) logger.info('data plane service is gone', { name })
  }
}

const logRejected = (
  logger: Logger,
  before: ReadonlyArray<RejectedObject>,
  after: ReadonlyArray<RejectedObject>,
): void => {
  const known = new Set(before)
  for (const rejected of after) if (!known.has(rejected)) logger.warn('object is rejected', { ...rejected })
}

/**
 * Follows a source: compiles each change aside, then swaps. A lost source, or a snapshot that fails, leaves the last good table.
 * An error of the source stands until its next snapshot: one that is whole again says so by a snapshot, the same one if need be; one
 * that is not tells of its error again after it. Nothing is thrown into the source. A change costs what changed, and a copy of the
 * table's outermost map.
 */
export const liveTable = (source: DataPlaneServiceSource, options: LiveTableOptions): LiveTable => {
  const { definitions, logger, own = emptyTable, onChange } = options
  /** Each object is checked once, and what is made of it stays the same. */
  const checked = new Map<DataPlaneService, Checked>()
  const checkOnce = (service: DataPlaneService, index: number): Checked => {
    const known = checked.get(service) ?? check(service, index)
    checked.set(service, known)
    return known
  }
  let state: State = { table: own, services: [], bad: new Map(), rejected: [] }
  let registry: Registry | undefined
  let resolveFirst = (): void => undefined
  const ready = new Promise<void>((resolve) => {
    resolveFirst = resolve
  })

  const read = ({
    services: given,
    rejected = [],
    errors = [],
  }: Snapshot): State & { readonly touched: ReadonlyArray<string> } => {
    // a copy: the source may go on to change its own
    const services = [...given]
    const { gone, come } = changesBetween(state.services, services)
    const bad = new Map(state.bad)
    for (const service of gone) bad.delete(service)
    const good: DataPlaneService[] = []
    for (const [index, service] of come.entries()) {
      const result = checkOnce(service, index)
      if (E.isRight(result)) good.push(result.right)
      else bad.set(service, result.left)
    }
    const served = gone
      .map((service) => checkOnce(service, 0))
      .filter(E.isRight)
      .map(({ right }) => right)
    for (const service of gone) checked.delete(service)
    const sourceError = errors.at(-1)
    return {
      ...recompile(state.table, { gone: served, come: good }, definitions),
      services,
      bad,
      rejected: [...rejected],
      ...(sourceError === undefined ? {} : { sourceError }),
    }
  }

  const swap = (snapshot: Snapshot): void => {
    const next = E.tryCatch(() => read(snapshot), E.toError)
    if (E.isLeft(next)) {
      logger.error('snapshot of data plane services cannot be compiled', { cause: next.left })
      return
    }
    const { touched, ...after } = next.right
    const before = state
    state = after
    registry = undefined
    resolveFirst()
    for (const key of touched) {
      logVerdicts(logger, before.table.get(key)?.verdicts ?? [], after.table.get(key)?.verdicts ?? [])
    }
    logRejected(logger, rejectedOf(before), rejectedOf(after))
    if (before.sourceError !== undefined && after.sourceError === undefined) {
      logger.info('source of data plane services is whole again', { origin: before.sourceError.origin })
    }
    onChange?.()
  }

  const unsubscribe = source.subscribe({
    next: swap,
    error: (error: Partial<SourceError> | undefined) => {
      const { message, origin, cause } = error ?? {}
      logger.error(`source of data plane services has an error: ${String(message)}`, { origin, cause })
      state = { ...state, sourceError: { message: String(message), origin: String(origin), cause } }
      registry = undefined
      onChange?.()
    },
  })
  const close = async (): Promise<void> => {
    resolveFirst()
    await unsubscribe()
  }
  const currentRegistry = (): Registry =>
    (registry ??= {
      verdicts: verdictsOf(state.table),
      rejected: rejectedOf(state),
      ...(state.sourceError === undefined ? {} : { sourceError: state.sourceError }),
    })
  return { current: () => state.table, registry: currentRegistry, ready, close }
}
