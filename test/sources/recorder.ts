import type { DataPlaneServiceSource, Snapshot, SourceError, Unsubscribe } from '../../src/source.ts'

/** What a source says, in order, to be waited for. */
export interface Recorder {
  readonly snapshots: ReadonlyArray<Snapshot>
  readonly errors: ReadonlyArray<SourceError>
  /** The first snapshot, seen or yet to come, that fits. */
  snapshot(fits: (snapshot: Snapshot) => boolean): Promise<Snapshot>
  /** The snapshot of this place in the order, counted from 0. */
  snapshotAt(index: number): Promise<Snapshot>
  error(fits: (error: SourceError) => boolean): Promise<SourceError>
  readonly unsubscribe: Unsubscribe
}

const createLog = <A>() => {
  const seen: A[] = []
  const waiting = new Set<() => void>()
  return {
    seen,
    push: (value: A): void => {
      seen.push(value)
      for (const check of waiting) check()
    },
    find: (fits: (value: A, index: number) => boolean): Promise<A> =>
      new Promise((resolve) => {
        const check = (): void => {
          const index = seen.findIndex(fits)
          if (index === -1) return
          waiting.delete(check)
          seen.slice(index, index + 1).forEach(resolve)
        }
        waiting.add(check)
        check()
      }),
  }
}

export const record = (source: DataPlaneServiceSource): Recorder => {
  const snapshots = createLog<Snapshot>()
  const errors = createLog<SourceError>()
  const unsubscribe = source.subscribe({ next: snapshots.push, error: errors.push })
  return {
    snapshots: snapshots.seen,
    errors: errors.seen,
    snapshot: (fits) => snapshots.find(fits),
    snapshotAt: (wanted) => snapshots.find((_snapshot, index) => index === wanted),
    error: (fits) => errors.find(fits),
    unsubscribe,
  }
}

export const namesOf = (snapshot: Snapshot): ReadonlyArray<string> =>
  snapshot.services.map(({ metadata }) => metadata.name).sort()

/** Fits a snapshot that serves exactly these names. */
export const serves =
  (...names: ReadonlyArray<string>) =>
  (snapshot: Snapshot): boolean =>
    namesOf(snapshot).join() === [...names].sort().join()

/** A valid object, as anybody may write it. */
export const manifest = (name: string, version = 'v1') => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name },
  spec: {
    pluginID: 'testds',
    pluginType: 'datasource',
    group: `${name}.grafana.app`,
    version,
    services: [{ type: 'query' }],
  },
})

/** An object of a right name and a wrong field: `spec.pluginType`. */
export const badManifest = (name: string) => {
  const { spec, ...rest } = manifest(name)
  return { ...rest, spec: { ...spec, pluginType: 'panel' } }
}

export const versionOf = (snapshot: Snapshot, name: string): string | undefined =>
  snapshot.services.find(({ metadata }) => metadata.name === name)?.spec.version
