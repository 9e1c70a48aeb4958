import type { DataPlaneServiceStatus } from '../api/object.ts'
import { unexpected } from '../errors.ts'
import { E } from '../fp.ts'
import type { ObjectStore } from '../object-store.ts'
import type { WritableSource } from '../source.ts'

const noStatus: DataPlaneServiceStatus = {}

/** `updateStatus` over a store: asks again each time that somebody was faster. */
export const updateStatusOf = (
  objects: Pick<ObjectStore, 'get' | 'commit'>,
): NonNullable<WritableSource['updateStatus']> => {
  const update: NonNullable<WritableSource['updateStatus']> = (name, change) => async () => {
    try {
      for (;;) {
        const live = objects.get(name)
        const current = live?.status ?? noStatus
        const status = live === undefined ? current : change(current)
        if (live === undefined || status === current) return E.right(undefined)
        const written = await objects.commit(name, live, { ...live, status })()
        if (E.isRight(written)) return E.right(undefined)
        if (written.left._tag !== 'Conflict') return written
      }
    } catch (cause) {
      return E.left(unexpected(cause))
    }
  }
  return update
}
