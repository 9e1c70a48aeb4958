import type { Backend, DataPlaneService } from '../../src/api/dataplane-service.ts'
import type { Condition, DataPlaneServiceStatus } from '../../src/api/object.ts'
import type { StatusCause } from '../../src/api/status.ts'
import { createConditions } from '../../src/conditions/index.ts'
import type { AggregatorError } from '../../src/errors.ts'
import { E } from '../../src/fp.ts'
import type { PluginHost } from '../../src/plugin.ts'
import type { PluginState, PluginStatus, PluginWatcher } from '../../src/plugin-status.ts'
import { inProcess } from '../../src/plugins/index.ts'
import type { Registry, Verdict } from '../../src/verdict.ts'
import { createManualClock, recordingLogger, settle } from '../plugins/_setup.ts'

export interface Described {
  readonly name: string
  readonly pluginID?: string
  readonly generation?: number
  readonly backend?: Backend
}

export const serviceOf = ({ name, pluginID = 'p', generation = 1, backend }: Described): DataPlaneService => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name, generation },
  spec: {
    pluginID,
    pluginType: 'datasource',
    group: 'p.example.com',
    version: 'v1',
    services: [{ type: 'query' }],
    ...(backend === undefined ? {} : { backend }),
  },
})

export const verdictOf = (described: Described, lost: ReadonlyArray<string> = [], claimCount = 2): Verdict => ({
  service: serviceOf(described),
  conflicts: lost.map((message): StatusCause => ({
    reason: 'FieldValueForbidden',
    field: 'spec.services[0]',
    message,
  })),
  claimCount,
})

export const registryOf = (...verdicts: ReadonlyArray<Verdict>): Registry => ({ verdicts, rejected: [] })

export const pluginStatus = (id: string, state: PluginState, startCount = 1): PluginStatus => ({
  id,
  version: '1.0.0',
  state,
  sinceMs: 0,
  startCount,
  lastError: '/srv/secret/path: 17 tries',
  inFlight: 0,
  queued: 0,
})

/** Plugins that go from state to state as they are told to; `undefined`: not installed. */
export const scriptedHost = (first: Readonly<Record<string, PluginState | undefined>>) => {
  const watchers = new Set<PluginWatcher>()
  const current = new Map<string, PluginStatus>()
  let lookCount = 0
  let isBroken = false
  for (const [id, state] of Object.entries(first)) if (state !== undefined) current.set(id, pluginStatus(id, state))
  const host: PluginHost = {
    plugin: (id) => (current.has(id) ? inProcess({ [id]: {} }).plugin(id) : undefined),
    statuses: () => {
      lookCount++
      if (isBroken) throw new Error('broken')
      return [...current.values()]
    },
    watch: (watcher) => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    close: () => Promise.resolve(),
  }
  const go = (id: string, ...states: ReadonlyArray<PluginState>): void => {
    for (const state of states) {
      const last = current.get(id)
      const to = pluginStatus(id, state, (last?.startCount ?? 0) + (state === 'starting' ? 1 : 0))
      current.set(id, to)
      for (const watch of watchers) watch({ from: last?.state ?? 'idle', to })
    }
  }
  return {
    host,
    go,
    watchers,
    looks: () => lookCount,
    setBroken: (broken: boolean) => {
      isBroken = broken
    },
  }
}

/** Everything that is ready to run, through many turns of the loop. */
export const quiet = async (): Promise<void> => {
  for (let turn = 0; turn < 40; turn++) await settle()
}

export interface Written {
  readonly name: string
  readonly before: DataPlaneServiceStatus
  readonly after: DataPlaneServiceStatus
}

/** Conditions over a store in memory, which can be told to wait, or to fail. */
export const start = (plugins: PluginHost, { settleMs = 2000 } = {}) => {
  const { clock, advance, timers } = createManualClock()
  const logger = recordingLogger()
  const statuses = new Map<string, DataPlaneServiceStatus>()
  const written: Written[] = []
  let registry: Registry = registryOf()
  let asked = 0
  let running = 0
  let maxRunning = 0
  let failure: AggregatorError | undefined
  let gate: Promise<void> | undefined

  const conditions = createConditions({
    registry: () => registry,
    updateStatus: (name, change) => async () => {
      asked++
      running++
      maxRunning = Math.max(maxRunning, running)
      // else `change` is asked at once, as by a store in memory
      if (gate !== undefined) await gate
      running--
      if (failure !== undefined) return E.left(failure)
      const before = statuses.get(name) ?? {}
      const after = change(before)
      if (after === before) return E.right(undefined)
      statuses.set(name, after)
      written.push({ name, before, after })
      return E.right(undefined)
    },
    plugins,
    logger,
    clock,
    settleMs,
  })
  const conditionsOf = (name: string): ReadonlyArray<Condition> => statuses.get(name)?.conditions ?? []
  return {
    conditions,
    logger,
    timers,
    statuses,
    written,
    conditionsOf,
    /** Shape: `Accepted True Accepted, Available False PluginNotRunning`. */
    told: (name: string): string =>
      conditionsOf(name)
        .map(({ type, status, reason }) => `${type} ${status} ${reason}`)
        .join(', '),
    counts: () => ({ asked, maxRunning, running }),
    pass: async (ms: number): Promise<void> => {
      await advance(ms)
      await quiet()
    },
    /** Puts a registry in place, and lets what follows happen. */
    put: async (next: Registry): Promise<void> => {
      registry = next
      conditions.changed()
      await advance(100)
      await quiet()
    },
    set: (next: Registry): void => {
      registry = next
      conditions.changed()
    },
    advance,
    fail: (error: AggregatorError | undefined): void => {
      failure = error
    },
    /** Writes wait until the function given back is called. */
    hold: (): (() => void) => {
      let release = (): void => undefined
      gate = new Promise((resolve) => (release = resolve))
      return release
    },
  }
}
