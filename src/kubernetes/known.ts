import type { KubernetesObject, ObjectChange } from '../kubernetes.ts'
import { keyOf } from './objects.ts'

/** What it takes to tell that an object is what it was. */
interface Version {
  readonly uid: string | undefined
  readonly resourceVersion: string | undefined
}

const versionOf = ({ metadata: { uid, resourceVersion } }: KubernetesObject): Version => ({ uid, resourceVersion })

/** Two versions that say nothing are not the same. */
const isSame = (one: Version, other: Version): boolean =>
  one.resourceVersion !== undefined && one.uid === other.uid && one.resourceVersion === other.resourceVersion

const isAnother = (one: Version, other: Version): boolean =>
  one.uid !== undefined && other.uid !== undefined && one.uid !== other.uid

/** Twice what 64 bits need: to read millions of digits takes minutes. */
const isInteger = (version: string | undefined): version is string =>
  version !== undefined && /^[0-9]{1,40}$/.test(version)

/** Whether the one is surely the older: versions are opaque, but integers of one apiserver grow. They may not fit into a number. */
export const isOlder = (one: string | undefined, other: string | undefined): boolean =>
  isInteger(one) && isInteger(other) && BigInt(one) < BigInt(other)

/** What a follower was told of, by key: of each object its uid and resourceVersion, nothing more. */
export interface Known {
  /** What makes all that was told into all that there is. */
  readonly replace: (objects: Iterable<KubernetesObject>) => ReadonlyArray<ObjectChange>
  /** An object as it is after a change. */
  readonly put: (object: KubernetesObject) => ReadonlyArray<ObjectChange>
  /** An object that is gone, in its last state. */
  readonly remove: (object: KubernetesObject) => ReadonlyArray<ObjectChange>
}

export const createKnown = (): Known => {
  let known = new Map<string, Version>()

  /** An object that took the place of another of the same name is two changes. */
  const changesTo = (key: string, object: KubernetesObject): ReadonlyArray<ObjectChange> => {
    const before = known.get(key)
    const version = versionOf(object)
    if (before === undefined) return [{ key, object }]
    if (isSame(before, version)) return []
    return isAnother(before, version)
      ? [
          { key, object: undefined },
          { key, object },
        ]
      : [{ key, object }]
  }

  return {
    replace: (objects) => {
      const next = new Map<string, Version>()
      const changes: Array<ObjectChange> = []
      for (const object of objects) {
        const key = keyOf(object)
        next.set(key, versionOf(object))
        changes.push(...changesTo(key, object))
      }
      // first who left: what has come may need their place
      const gone = [...known.keys()].filter((key) => !next.has(key))
      known = next
      return [...gone.map((key) => ({ key, object: undefined })), ...changes]
    },
    put: (object) => {
      const key = keyOf(object)
      const before = known.get(key)
      const version = versionOf(object)
      // told again by an apiserver that lags behind the one before
      if (before?.uid === version.uid && isOlder(version.resourceVersion, before?.resourceVersion)) return []
      const changes = changesTo(key, object)
      known.set(key, version)
      return changes
    },
    remove: (object) => {
      const key = keyOf(object)
      const before = known.get(key)
      // the end of one that had the name before, or an end that was told already
      if (before === undefined || isOlder(object.metadata.resourceVersion, before.resourceVersion)) return []
      known.delete(key)
      return [{ key, object: undefined }]
    },
  }
}
