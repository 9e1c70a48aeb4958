import { apiVersion, resource } from '../api/dataplane-service.ts'
import { systemClock, type Clock } from '../clock.ts'
import { TE } from '../fp.ts'
import type {
  Election,
  Follower,
  Following,
  KubernetesApi,
  KubernetesConnection,
  KubernetesFailure,
} from '../kubernetes.ts'
import type { DataPlaneServiceSource, Snapshot, SourceError, Staleness, Unsubscribe } from '../source.ts'
import { createBroadcast } from './broadcast.ts'
import { createKubernetesObjects, type KubernetesObjects } from './kubernetes-objects.ts'
import {
  toKubernetesSettings,
  type KubernetesSourceOptions,
  type KubernetesSourceSettings,
} from './kubernetes-options.ts'
import { createStatusWriter, type StatusWriter } from './kubernetes-status.ts'

export type { KubernetesSourceOptions } from './kubernetes-options.ts'

/** What only tests replace. */
export interface KubernetesSourceParts {
  readonly clock?: Clock
}

const path = `/apis/${apiVersion}/${resource}`

const messageOf = (failure: KubernetesFailure): string => {
  if (failure._tag === 'Cancelled') return 'the connection to the apiserver is closed'
  if (failure._tag !== 'Refused') return failure.message
  const answer = `the apiserver answered ${String(failure.code)}: ${failure.message}`
  return failure.code === 404 ? `${answer} (is the CustomResourceDefinition of DataPlaneService applied?)` : answer
}

/** What is open while somebody subscribes. */
interface Session {
  readonly connection: KubernetesConnection
  readonly following: Following
  readonly writer: StatusWriter | undefined
  readonly startedMs: number
  readonly close: () => Promise<void>
}

/** Nothing is left open, even where one of them does not close well. */
const closeInTurn = async (steps: ReadonlyArray<() => Promise<void>>): Promise<void> => {
  const results = []
  for (const step of steps) results.push(...(await Promise.allSettled([step()])))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** Whose turn it is to write. */
const takeTurns = (
  connection: KubernetesConnection,
  writer: StatusWriter,
  settings: KubernetesSourceSettings,
): Election => {
  const { statusWriter, lease, logger } = settings
  if (statusWriter === 'always') {
    writer.setTurn(true)
    return { isLeader: () => true, close: () => Promise.resolve() }
  }
  return connection.elect({
    namespace: lease.namespace ?? connection.namespace,
    name: lease.name,
    identity: lease.identity,
    onChange: (isLeader) => {
      logger.info(isLeader ? 'this replica writes conditions now' : 'this replica writes conditions no more', {
        identity: lease.identity,
      })
      writer.setTurn(isLeader)
    },
  })
}

/** `kubernetesSource` with some of its parts. */
export const createKubernetesSource = (
  api: KubernetesApi,
  options: KubernetesSourceOptions = {},
  { clock = systemClock }: KubernetesSourceParts = {},
): DataPlaneServiceSource => {
  const settings = toKubernetesSettings(options)
  const { labelSelector, maxStalenessMs, statusWriter, logger } = settings
  let session: Session | undefined
  let subscribers = 0
  let objects: KubernetesObjects = createKubernetesObjects()
  let isSynced = false
  let errors: ReadonlyArray<SourceError> = []
  let snapshot: Snapshot | undefined

  const toSnapshot = (): Snapshot => ({
    services: objects.services(),
    rejected: objects.rejected(),
    ...(errors.length === 0 ? {} : { errors }),
  })
  const broadcast = createBroadcast({
    snapshot: () => (isSynced ? (snapshot ??= toSnapshot()) : undefined),
    errors: () => errors,
    origin: 'kubernetes',
  })
  const changed = (): void => {
    snapshot = undefined
    broadcast.notify()
  }

  const followerOf = (origin: string, writer: StatusWriter | undefined): Follower => ({
    changed: (changes) => {
      let isNews = !isSynced
      isSynced = true
      for (const { key, object } of changes) {
        isNews = (object === undefined ? objects.remove(key) : objects.put(object)) || isNews
        if (object === undefined) writer?.forget(key)
        else writer?.seen(key)
      }
      if (isNews) changed()
    },
    failed: (failure) => {
      const error: SourceError = { message: messageOf(failure), origin, cause: failure }
      errors = [error]
      // whoever comes later hears of it with the snapshot
      snapshot = snapshot && toSnapshot()
      broadcast.error(error)
    },
    recovered: () => {
      errors = []
      changed()
    },
  })

  const begin = (): Session => {
    objects = createKubernetesObjects()
    isSynced = false
    errors = []
    snapshot = undefined
    const connection = api.connect({ clock, logger })
    const writer =
      statusWriter === 'never'
        ? undefined
        : createStatusWriter({
            call: connection.call,
            path,
            objects,
            isMyTurn: () => turns?.isLeader() === true,
            clock,
            logger,
          })
    const collection = { path, ...(labelSelector === undefined ? {} : { labelSelector }) }
    const following = connection.follow(collection, followerOf(connection.origin, writer))
    const turns: Election | undefined = writer && takeTurns(connection, writer, settings)
    const close = (): Promise<void> =>
      closeInTurn([
        () => following.close(),
        async () => writer?.close(),
        // others need not wait for the end of its time
        async () => turns?.close(),
        () => connection.close(),
      ])
    return { connection, following, writer, startedMs: clock.now(), close }
  }

  const staleness = (): Staleness => {
    const heardMs = session?.following.lastHeardMs()
    const sinceMs = heardMs ?? session?.startedMs ?? clock.now()
    const passedMs = Math.max(0, clock.now() - sinceMs)
    return { ageMs: heardMs === undefined ? undefined : passedMs, isStale: passedMs > maxStalenessMs }
  }

  return {
    subscribe: (observer): Unsubscribe => {
      const leave = broadcast.add(observer)
      subscribers += 1
      session ??= begin()
      let left: Promise<void> | undefined
      const unsubscribe = async (): Promise<void> => {
        leave()
        subscribers -= 1
        if (subscribers > 0) return
        const last = session
        session = undefined
        await last?.close()
      }
      return () => (left ??= unsubscribe())
    },
    staleness,
    ...(statusWriter === 'never'
      ? {}
      : { updateStatus: (name, change) => session?.writer?.update(name, change) ?? TE.right(undefined) }),
  }
}

/**
 * DataPlaneService objects that an apiserver of the Kubernetes kind keeps, so that any number of replicas share one registry: listed,
 * then watched. While the apiserver is away the last good state serves; contact that is lost is told as an error, and its age by
 * `staleness`. Unlike a file's, its objects are served to kubectl by that apiserver, not here. Conditions are written by server-side apply, by one
 * replica at a time; it needs `get`, `list` and `watch` of dataplaneservices, `patch` of dataplaneservices/status, and `get`, `create`
 * and `update` of its lease. Throws a TypeError on a wrong option. Source: Reflector and leaderelection of client-go.
 */
export const kubernetesSource = (api: KubernetesApi, options: KubernetesSourceOptions = {}): DataPlaneServiceSource =>
  createKubernetesSource(api, options)
