import type { StoredObject } from '../api/object.ts'
import type { StoreEvent } from '../object-store.ts'
import type { EventType } from './representation.ts'
import type { Selection } from './selectors.ts'

/** What a change is to those who watch some objects only. `left`: it is not one of them any more. */
export type Change = 'ADDED' | 'MODIFIED' | 'DELETED' | 'left'

/** `undefined`: nothing to them. Source: watch of the Kubernetes apiserver's storage. */
export const changeOf = ({ type, object, previous }: StoreEvent, selects: Selection): Change | undefined => {
  const was = previous !== undefined && selects(previous)
  if (type === 'DELETED') return was || (previous === undefined && selects(object)) ? 'DELETED' : undefined
  const is = selects(object)
  if (is) return was ? 'MODIFIED' : 'ADDED'
  return was ? 'left' : undefined
}

/** What they are told: of an object that left them, how they knew it last, at the version of the change. */
export const toldOf = (
  { object, previous = object }: StoreEvent,
  change: Change,
): { readonly type: EventType; readonly object: StoredObject } => {
  if (change !== 'left') return { type: change, object }
  const { resourceVersion } = object.metadata
  const version = resourceVersion === undefined ? {} : { resourceVersion }
  return { type: 'DELETED', object: { ...previous, metadata: { ...previous.metadata, ...version } } }
}
