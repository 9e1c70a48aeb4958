import { group, resource } from '../api/dataplane-service.ts'
import { systemClock, type Clock } from '../clock.ts'
import { TE } from '../fp.ts'
import { checkKubernetesApi, type KubernetesApi } from '../kubernetes.ts'
import type { DataPlaneServiceSource, SourceObserver, Unsubscribe } from '../source.ts'
import { createBroadcast } from './broadcast.ts'
import { createKubernetesLife, type KubernetesLife } from './kubernetes-life.ts'
import { toKubernetesSettings, type KubernetesSourceOptions } from './kubernetes-options.ts'

export type { KubernetesSourceOptions, LeaseOptions } from './kubernetes-options.ts'

/** What only tests replace. */
export interface KubernetesSourceParts {
  readonly clock?: Clock
}

/** `kubernetesSource` with some of its parts. */
export const createKubernetesSource = (
  api: KubernetesApi,
  options: KubernetesSourceOptions = {},
  { clock = systemClock }: KubernetesSourceParts = {},
): DataPlaneServiceSource => {
  checkKubernetesApi(api)
  const settings = toKubernetesSettings(options)
  let life: KubernetesLife | undefined
  let ended: Promise<unknown> = Promise.resolve()
  let subscribers = 0

  const broadcast = createBroadcast({
    snapshot: () => life?.snapshot(),
    errors: () => life?.errors() ?? [],
    origin: `${resource}.${group}`,
  })

  const begin = (): KubernetesLife =>
    createKubernetesLife({
      ...settings,
      api,
      clock,
      before: ended,
      onChange: broadcast.notify,
      onError: broadcast.error,
    })

  const end = (): Promise<void> => {
    const closing = life?.close() ?? Promise.resolve()
    life = undefined
    ended = Promise.allSettled([ended, closing])
    return closing
  }

  const subscribe = (observer: SourceObserver): Unsubscribe => {
    life ??= begin()
    subscribers += 1
    const leave = broadcast.add(observer)
    let left: Promise<void> | undefined
    const unsubscribe = (): Promise<void> => {
      leave()
      subscribers -= 1
      return subscribers === 0 ? end() : Promise.resolve()
    }
    return () => (left ??= unsubscribe())
  }

  return {
    subscribe,
    staleness: () => life?.staleness() ?? { ageMs: undefined, isStale: settings.maxStalenessMs < Infinity },
    ...(settings.statusWriter === 'never'
      ? {}
      : {
          // nothing is known of any object while nobody listens, and nothing is written of what is not known
          updateStatus: (name, change) => async () => (life?.update(name, change) ?? TE.right(undefined))(),
        }),
  }
}

/**
 * DataPlaneService objects that an apiserver of the Kubernetes kind keeps, so that any number of replicas share one registry: listed,
 * then watched. What it told last serves on while it is away, and so does the last good state of an object that turns invalid; contact
 * that is lost is told as an error, and its age by `staleness`. Objects are served to kubectl by that apiserver, not here. Conditions are
 * written by server-side apply, by one replica at a time, which has the Lease; it needs `get`, `list` and `watch` of dataplaneservices,
 * `patch` of dataplaneservices/status, and `get`, `create` and `update` of its lease. The first subscriber connects, the last one closes
 * everything. Throws a TypeError on a wrong option. Source: Reflector and leaderelection of client-go.
 */
export const kubernetesSource = (api: KubernetesApi, options: KubernetesSourceOptions = {}): DataPlaneServiceSource =>
  createKubernetesSource(api, options)
