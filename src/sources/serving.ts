import { isDeepStrictEqual } from 'node:util'

import type { DataPlaneService } from '../api/dataplane-service.ts'
import type { StoredObject } from '../api/object.ts'
import type { StatusCause } from '../api/status.ts'
import { E } from '../fp.ts'
import type { StoreEvent } from '../object-store.ts'
import { toService } from './accept.ts'
import { createSorted } from './sorted.ts'
import type { Store } from './store.ts'

/** What of some objects is served: each right one, and in the place of one that turned wrong its last good state. */
export interface Serving {
  /** By name. */
  readonly services: () => ReadonlyArray<DataPlaneService>
  readonly serviceOf: (name: string) => DataPlaneService | undefined
  /** Why the object of this name is not served as it is. */
  readonly faultOf: (name: string) => ReadonlyArray<StatusCause> | undefined
}

/** The same, told of each object by its name. */
export interface ServedObjects extends Serving {
  /** What an object is now; left: why it is wrong. */
  readonly put: (name: string, service: E.Either<ReadonlyArray<StatusCause>, DataPlaneService>) => void
  /** Whether there was one. */
  readonly remove: (name: string) => boolean
}

interface Served {
  readonly service: DataPlaneService | undefined
  readonly fault?: ReadonlyArray<StatusCause>
}

const withoutRevision = ({ metadata }: StoredObject): unknown => {
  const { resourceVersion: _revision, managedFields: _managedFields, ...rest } = metadata
  return rest
}

/** Whether a change is of status and bookkeeping only, which the table has no part in. */
const isSameService = (a: StoredObject, b: StoredObject): boolean =>
  isDeepStrictEqual(a.spec, b.spec) && isDeepStrictEqual(withoutRevision(a), withoutRevision(b))

export const createServedObjects = (): ServedObjects => {
  const served = new Map<string, Served>()
  const services = createSorted<DataPlaneService>()
  return {
    services: services.list,
    serviceOf: (name) => served.get(name)?.service,
    faultOf: (name) => served.get(name)?.fault,
    put: (name, service) => {
      if (E.isRight(service)) {
        served.set(name, { service: service.right })
        services.put(service.right)
      } else served.set(name, { service: served.get(name)?.service, fault: service.left })
    },
    remove: (name) => {
      services.remove(name)
      return served.delete(name)
    },
  }
}

/** Follows a store from its beginning; says after each change whether it is one of what is served. */
export const createServing = (store: Store, onEvent: (name: string, isChanged: boolean) => void): Serving => {
  const { put, remove, ...serving } = createServedObjects()

  const follow = ({ type, object, previous }: StoreEvent): boolean => {
    const { name } = object.metadata
    if (type === 'DELETED') return remove(name)
    if (previous !== undefined && isSameService(previous, object)) return false
    put(name, toService(object))
    return true
  }

  store.subscribe((event) => {
    onEvent(event.object.metadata.name, follow(event))
  })
  return serving
}
