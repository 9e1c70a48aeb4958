import type { KubernetesFailure, KubernetesObject } from '../kubernetes.ts'
import { cutMessage, cutReason } from './failure.ts'
import { type Fields, isFields, textOf, toObject } from './objects.ts'

/** One line of a watch. */
export type WatchEvent =
  | { readonly _tag: 'Put'; readonly object: KubernetesObject }
  | { readonly _tag: 'Removed'; readonly object: KubernetesObject }
  /** All that came before `resourceVersion` was told. `isMarker`: and so was all that there was when the watch began. */
  | {
      readonly _tag: 'Bookmark'
      readonly resourceVersion: string
      readonly isMarker: boolean
      /** Of the objects of the collection. */
      readonly kind: string | undefined
    }
  | { readonly _tag: 'Failed'; readonly failure: KubernetesFailure }
  /** JSON that is none of these: `what` names it by its type, never by what is in it. */
  | { readonly _tag: 'Foreign'; readonly what: string }
  /** No JSON: this is no watch. */
  | { readonly _tag: 'Garbled' }

const maxQuoted = 64

/** Of what may be long. */
export const quote = (text: string): string => JSON.stringify(text.slice(0, maxQuoted))

const parse = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

const numberOf = (fields: Fields, name: string): number | undefined => {
  const value = fields[name]
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

/** What a Status within a watch says. */
const toRefusal = (status: Fields): KubernetesFailure => {
  const details = isFields(status.details) ? status.details : {}
  const retryAfterSeconds = numberOf(details, 'retryAfterSeconds')
  return {
    _tag: 'Refused',
    code: numberOf(status, 'code') ?? 500,
    reason: cutReason(textOf(status, 'reason') ?? ''),
    message: cutMessage(textOf(status, 'message') ?? 'the watch failed'),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterMs: retryAfterSeconds * 1000 }),
  }
}

const toBookmark = (object: Fields): WatchEvent => {
  const metadata = isFields(object.metadata) ? object.metadata : {}
  const resourceVersion = textOf(metadata, 'resourceVersion') ?? ''
  if (resourceVersion === '') return { _tag: 'Foreign', what: 'a bookmark without a resourceVersion' }
  const annotations = isFields(metadata.annotations) ? metadata.annotations : {}
  const isMarker = annotations['k8s.io/initial-events-end'] === 'true'
  return { _tag: 'Bookmark', resourceVersion, isMarker, kind: textOf(object, 'kind') }
}

/** A type that objects come with, and one of them. */
const toChange = (type: string, value: Fields, apiVersion: string | undefined): WatchEvent => {
  const object = toObject(value)
  const isForeign = apiVersion !== undefined && value.apiVersion !== undefined && value.apiVersion !== apiVersion
  if (object !== undefined && !isForeign) return { _tag: type === 'DELETED' ? 'Removed' : 'Put', object }
  const kind = quote(`${textOf(value, 'apiVersion') ?? ''}, ${textOf(value, 'kind') ?? ''}`)
  return { _tag: 'Foreign', what: `${object === undefined ? 'no object' : 'an object'} of ${kind}` }
}

const changeTypes: ReadonlyArray<string> = ['ADDED', 'MODIFIED', 'DELETED']

/** Reads a line of a watch whose objects are of an apiVersion. Pure; never throws. */
export const parseEvent = (line: string, apiVersion: string | undefined): WatchEvent => {
  const event = parse(line)
  if (event === undefined) return { _tag: 'Garbled' }
  if (!isFields(event) || typeof event.type !== 'string') return { _tag: 'Foreign', what: 'no event' }
  const { type, object } = event
  if (!isFields(object)) return { _tag: 'Foreign', what: `${quote(type)} without an object` }
  if (type === 'BOOKMARK') return toBookmark(object)
  if (type === 'ERROR') return { _tag: 'Failed', failure: toRefusal(object) }
  if (changeTypes.includes(type)) return toChange(type, object, apiVersion)
  return { _tag: 'Foreign', what: `an event of type ${quote(type)}` }
}
