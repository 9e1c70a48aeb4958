import { group, resource, version } from '../api/dataplane-service.ts'
import { stayAlive, type Clock } from '../clock.ts'
import type { Result } from '../errors.ts'
import type { ElectionOptions, KubernetesApi, KubernetesFailure } from '../kubernetes.ts'
import type { Snapshot, SourceError, Staleness } from '../source.ts'
import { createKubernetesObjects, type StatusListener } from './kubernetes-objects.ts'
import type { KubernetesSettings } from './kubernetes-options.ts'
import { createStatusWriter, type StatusChange } from './kubernetes-status.ts'
import { createTurns } from './kubernetes-turns.ts'

const path = `/apis/${group}/${version}/${resource}`

/** What is open from the first subscriber to the last. */
export interface KubernetesLife {
  /** The same (`===`) until it changes; `undefined` before the apiserver has told of all objects. */
  readonly snapshot: () => Snapshot | undefined
  /** Why the apiserver cannot be heard, while it is so. */
  readonly errors: () => ReadonlyArray<SourceError>
  readonly staleness: () => Staleness
  readonly update: (name: string, change: StatusChange) => Result<void>
  readonly close: () => Promise<void>
}

export interface LifeOptions extends KubernetesSettings {
  readonly api: KubernetesApi
  readonly clock: Clock
  /** Resolves when a life before this has given its Lease back. */
  readonly before: Promise<unknown>
  /** There is another snapshot, maybe. */
  readonly onChange: () => void
  readonly onError: (error: SourceError) => void
}

const messageOf = (failure: KubernetesFailure): string => {
  if (failure._tag === 'Cancelled') return 'the connection to the apiserver is closed'
  if (failure._tag !== 'Refused') return failure.message
  const code = `the apiserver answered ${String(failure.code)}`
  // one that gave no reason has the code for a message
  const answer = failure.message === code ? code : `${code}: ${failure.message}`
  return failure.code === 404 ? `${answer} (is the CustomResourceDefinition of DataPlaneService applied?)` : answer
}

export const createKubernetesLife = (options: LifeOptions): KubernetesLife => {
  const { api, clock, before, onChange, onError, logger, labelSelector, lease, maxStalenessMs, statusWriter } = options
  const connection = api.connect({ logger, clock })
  const { origin } = connection
  const startedMs = clock.now()
  const closing = new AbortController()
  const { signal } = closing
  let isSynced = false
  let snapshot: Snapshot | undefined
  let errors: ReadonlyArray<SourceError> = []

  const changed = (): void => {
    snapshot = undefined
    onChange()
  }

  const onStatus: StatusListener = (...change) => {
    if (statusWriter === 'lease') turns.seen(...change)
  }
  const objects = createKubernetesObjects(onStatus)
  const write = createStatusWriter({ call: connection.call, path, objects })

  const elect = (onLeader: ElectionOptions['onChange']) => {
    const { name, identity, namespace = connection.namespace } = lease
    return connection.elect({ name, identity, namespace, onChange: onLeader })
  }
  const turns = createTurns({ write, objects, elect, before, clock, logger })

  const following = connection.follow(labelSelector === undefined ? { path } : { path, labelSelector }, {
    changed: (changes) => {
      const isFirst = !isSynced
      isSynced = true
      if (objects.take(changes) || isFirst) changed()
    },
    failed: (failure) => {
      if (signal.aborted || failure._tag === 'Cancelled') return
      const error: SourceError = { message: messageOf(failure), origin, cause: failure }
      errors = [error]
      onError(error)
      if (isSynced) changed()
    },
    recovered: () => {
      if (errors.length === 0) return
      errors = []
      changed()
    },
  })

  // as its watch does; between two tries, too, when a host awaits `ready` and has nothing else open
  const end = stayAlive()

  const staleness = (): Staleness => {
    const heardMs = following.lastHeardMs()
    const ageMs = Math.max(0, clock.now() - (heardMs ?? startedMs))
    return { ageMs: heardMs === undefined ? undefined : ageMs, isStale: ageMs > maxStalenessMs }
  }

  const close = async (): Promise<void> => {
    closing.abort()
    end()
    try {
      // a connection of the host's own may fail in any of these
      await turns.close()
      await following.close()
    } finally {
      await connection.close()
    }
  }

  return {
    snapshot: () => {
      if (!isSynced) return undefined
      return (snapshot ??= { ...objects.snapshot(), ...(errors.length === 0 ? {} : { errors }) })
    },
    errors: () => errors,
    staleness,
    update: (name, change) =>
      statusWriter === 'lease'
        ? turns.update(name, change)
        : write(name, change, { signal, isMine: () => !signal.aborted }),
    close,
  }
}
