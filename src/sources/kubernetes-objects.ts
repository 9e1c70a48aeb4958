import { isDeepStrictEqual } from 'node:util'

import type { DataPlaneService } from '../api/dataplane-service.ts'
import type { DataPlaneServiceStatus } from '../api/object.ts'
import type { StatusCause } from '../api/status.ts'
import { E } from '../fp.ts'
import type { KubernetesObject } from '../kubernetes.ts'
import type { RejectedObject } from '../source.ts'
import { examineJson } from './accept.ts'
import { createSorted } from './sorted.ts'

/** What is kept of an object: not the object itself, there may be many. */
interface Known {
  readonly uid: string | undefined
  /** Its last good state. */
  readonly service: DataPlaneService | undefined
  /** Why it is not served as it is. */
  readonly fault?: ReadonlyArray<StatusCause>
  readonly status: DataPlaneServiceStatus
}

export interface KnownStatus {
  readonly uid: string | undefined
  readonly status: DataPlaneServiceStatus
}

export interface KubernetesObjects {
  /** Takes in an object as it is now; whether it changes what is served or rejected. */
  readonly put: (object: KubernetesObject) => boolean
  /** Forgets one; whether there was one. */
  readonly remove: (name: string) => boolean
  /** By name; the same array until something changes. */
  readonly services: () => ReadonlyArray<DataPlaneService>
  readonly rejected: () => ReadonlyArray<RejectedObject>
  readonly statusOf: (name: string) => KnownStatus | undefined
  /** What was written, before anybody tells of it; not into one that was made anew meanwhile. */
  readonly setStatus: (name: string, written: KnownStatus) => void
}

const withoutRevision = ({ metadata: { resourceVersion: _, ...metadata }, spec }: DataPlaneService): unknown => ({
  metadata,
  spec,
})

const isSame = (a: DataPlaneService, b: DataPlaneService): boolean =>
  isDeepStrictEqual(withoutRevision(a), withoutRevision(b))

/** The last good state of the same object; a change of status and bookkeeping is none. */
const serviceOf = (
  service: E.Either<unknown, DataPlaneService>,
  last: DataPlaneService | undefined,
): DataPlaneService | undefined => {
  if (E.isLeft(service)) return last
  return last !== undefined && isSame(last, service.right) ? last : service.right
}

/** The objects of an apiserver, and what is served of them: each right one, and for one that turned wrong its last good state. */
export const createKubernetesObjects = (): KubernetesObjects => {
  const known = new Map<string, Known>()
  const services = createSorted<DataPlaneService>()
  const rejected = new Map<string, RejectedObject>()

  const remove = (name: string): boolean => {
    services.remove(name)
    rejected.delete(name)
    return known.delete(name)
  }

  const put = (given: KubernetesObject): boolean => {
    const { name, uid } = given.metadata
    const { object, service } = examineJson(given)
    const before = known.get(name)
    const last = before?.uid === uid ? before : undefined
    const next = serviceOf(service, last?.service)
    const fault = E.isLeft(service) ? service.left : undefined
    known.set(name, {
      uid,
      service: next,
      status: object?.status ?? {},
      ...(fault === undefined ? {} : { fault }),
    })
    const isServed = next === before?.service
    if (!isServed && next === undefined) services.remove(name)
    if (!isServed && next !== undefined) services.put(next)
    const isJudged = isDeepStrictEqual(fault, before?.fault)
    if (!isJudged && fault === undefined) rejected.delete(name)
    if (!isJudged && fault !== undefined) rejected.set(name, { origin: name, name, causes: fault })
    return !isServed || !isJudged
  }

  return {
    put,
    remove,
    services: services.list,
    rejected: () => [...rejected.values()],
    statusOf: (name) => known.get(name),
    setStatus: (name, { uid, status }) => {
      const one = known.get(name)
      if (one !== undefined && one.uid === uid) known.set(name, { ...one, status })
    },
  }
}
