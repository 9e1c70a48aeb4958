import { isDeepStrictEqual } from 'node:util'

import { apiVersion, kind, type DataPlaneService } from '../api/dataplane-service.ts'
import type { DataPlaneServiceStatus, ObjectMeta } from '../api/object.ts'
import { E } from '../fp.ts'
import type { KubernetesObject, ObjectChange } from '../kubernetes.ts'
import type { RejectedObject, Snapshot } from '../source.ts'
import { examineJson } from './accept.ts'
import { createServedObjects } from './serving.ts'

/** What is kept of an object beside what is served of it. */
export interface KnownObject {
  readonly uid: string | undefined
  readonly resourceVersion: string | undefined
  /** The same (`===`) until it is another. */
  readonly status: DataPlaneServiceStatus
  /** Out of the answer to a request: the watch has not told of it yet. */
  readonly isAhead: boolean
}

/** The objects of an apiserver, as far as it has told of them. */
export interface KubernetesObjects {
  /** Whether another snapshot came of it. */
  readonly take: (changes: ReadonlyArray<ObjectChange>) => boolean
  /** Its state as the answer to a request tells it, which may be ahead of the watch. `false`: it tells of another object. */
  readonly learn: (name: string, answer: unknown) => boolean
  readonly get: (name: string) => KnownObject | undefined
  readonly snapshot: () => Snapshot
}

/** Told of what a watch says of one object; `after` is `undefined` when it is gone. */
export type StatusListener = (name: string, before: KnownObject | undefined, after: KnownObject | undefined) => void

const noStatus: DataPlaneServiceStatus = {}

const isInteger = (version: string | undefined): version is string => version !== undefined && /^\d+$/.test(version)

/** Surely: versions are opaque, but integers of one apiserver grow. They may not fit into a number. */
const isOlder = (one: string | undefined, other: string | undefined): boolean =>
  isInteger(one) && isInteger(other) && BigInt(one) < BigInt(other)

const withoutRevision = ({ resourceVersion: _, ...rest }: DataPlaneService['metadata']): unknown => rest

const isSameService = (a: DataPlaneService, b: DataPlaneService): boolean =>
  isDeepStrictEqual(a.spec, b.spec) && isDeepStrictEqual(withoutRevision(a.metadata), withoutRevision(b.metadata))

/** Two of one name would be two objects, and one path of status: a registry of another kind. */
const inNamespace: RejectedObject['causes'] = [
  {
    reason: 'FieldValueForbidden',
    field: 'metadata.namespace',
    message: 'expected an object without a namespace: DataPlaneServices are of the whole cluster',
  },
]

/** Items of a list need not say what they are. */
const named = (object: KubernetesObject): unknown => ({ apiVersion, kind, ...object })

export const createKubernetesObjects = (onStatus: StatusListener): KubernetesObjects => {
  const known = new Map<string, KnownObject>()
  const served = createServedObjects()
  const faulty = new Map<string, RejectedObject>()
  let rejected: ReadonlyArray<RejectedObject> | undefined = []

  const remove = (name: string): boolean => {
    const before = known.get(name)
    known.delete(name)
    if (faulty.delete(name)) rejected = undefined
    const isServed = served.remove(name)
    if (before !== undefined) onStatus(name, before, undefined)
    return isServed
  }

  const putFault = (name: string, causes: RejectedObject['causes']): boolean => {
    if (isDeepStrictEqual(faulty.get(name)?.causes, causes)) return false
    served.put(name, E.left(causes))
    faulty.set(name, { origin: name, name: causes === inNamespace ? undefined : name, causes })
    rejected = undefined
    return true
  }

  const putService = (name: string, service: DataPlaneService): boolean => {
    const last = served.serviceOf(name)
    const isSame = last !== undefined && isSameService(last, service)
    const isMended = faulty.delete(name)
    if (isMended) rejected = undefined
    if (isSame && !isMended) return false
    served.put(name, E.right(isSame ? last : service))
    return true
  }

  const note = (
    name: string,
    { uid, resourceVersion }: Pick<ObjectMeta, 'uid' | 'resourceVersion'>,
    given: DataPlaneServiceStatus = noStatus,
    isAhead = false,
  ): void => {
    const before = known.get(name)
    // a watch goes back only with an apiserver that was restored; what an answer told, or is to add to it, must not be older
    const isLate = (isAhead || before?.isAhead === true) && isOlder(resourceVersion, before?.resourceVersion)
    if (isLate) return
    const status = before !== undefined && isDeepStrictEqual(before.status, given) ? before.status : given
    known.set(name, { uid, resourceVersion, status, isAhead })
  }

  const put = (name: string, given: KubernetesObject): boolean => {
    const before = known.get(name)
    // of the same name, and another one: what was good of the first is not of the second
    const isOther = before !== undefined && before.uid !== given.metadata.uid && remove(name)
    const { object, service } =
      (given.metadata.namespace ?? '') === ''
        ? examineJson(named(given))
        : { object: undefined, service: E.left(inNamespace) }
    const told = known.get(name)
    note(name, given.metadata, object?.status)
    const isChanged = E.isRight(service) ? putService(name, service.right) : putFault(name, service.left)
    onStatus(name, told, known.get(name))
    return isChanged || isOther
  }

  return {
    take: (changes) => {
      let isChanged = false
      for (const { key, object } of changes) {
        const isOne = object === undefined ? remove(key) : put(key, object)
        isChanged ||= isOne
      }
      return isChanged
    },
    learn: (name, answer) => {
      const { object } = examineJson(answer)
      const before = known.get(name)
      if (object === undefined || before === undefined || before.uid !== object.metadata.uid) return false
      note(name, object.metadata, object.status, true)
      return true
    },
    get: (name) => known.get(name),
    snapshot: () => ({ services: served.services(), rejected: (rejected ??= [...faulty.values()]) }),
  }
}
