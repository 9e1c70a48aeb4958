import { apiVersion as ownApiVersion, kind as ownKind, listKind } from '../api/dataplane-service.ts'
import type { ObjectMeta, StoredObject } from '../api/object.ts'
import { bytes, json, type HeaderMap, type HttpAnswer } from '../http.ts'
import {
  columnDefinitions,
  partialOf,
  rowOf,
  type ColumnDefinition,
  type IncludeObject,
  type MetaVersion,
} from './table.ts'
import { jsonText, prettyText, yamlText, type TextFormat } from './text-format.ts'

/** Source: metav1.ListMeta. */
export interface ListMeta {
  readonly resourceVersion: string
  /** The token of the next page; left out of the last one. */
  readonly continue?: string
  readonly remainingItemCount?: number
}

export interface ObjectList {
  readonly metadata: ListMeta
  readonly items: ReadonlyArray<StoredObject>
}

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED'

/** How a client wants to read what there is. Its answers never throw. */
export interface Representation {
  /** Watchers of one key read the same texts. */
  readonly key: string
  readonly object: (status: number, object: StoredObject, headers?: HeaderMap) => HttpAnswer
  readonly list: (list: ObjectList) => HttpAnswer
  /** What is no object, such as a Status: as it is. */
  readonly document: (status: number, value: unknown, headers?: HeaderMap) => HttpAnswer
  /** A line of a watch. `isFirst`: of those that tell of objects. */
  readonly event: (type: EventType, object: StoredObject, isFirst: boolean) => Uint8Array
  /** A line of a watch that tells how far it is; with `isInitialEnd`, that everything there was has been told. */
  readonly bookmark: (resourceVersion: string, isInitialEnd: boolean) => Uint8Array
}

/** What is shown of an object. */
export type View =
  | { readonly _tag: 'Whole' }
  | { readonly _tag: 'Table'; readonly apiVersion: MetaVersion; readonly include: IncludeObject }
  | { readonly _tag: 'Partial'; readonly apiVersion: MetaVersion }

const texts = { json: jsonText, pretty: prettyText, yaml: yamlText }
export type Syntax = keyof typeof texts

type TableMeta = Pick<ObjectMeta, 'resourceVersion'> | ListMeta

const tableHead = (apiVersion: MetaVersion, metadata: TableMeta, columns: ReadonlyArray<ColumnDefinition>) => ({
  kind: 'Table',
  apiVersion,
  metadata,
  columnDefinitions: columns,
})

const resourceVersionOf = ({ metadata: { resourceVersion } }: StoredObject) =>
  resourceVersion === undefined ? {} : { resourceVersion }

interface Shown {
  readonly one: (object: StoredObject, isFirst: boolean) => unknown
  readonly headOfAll: (metadata: ListMeta) => object
  readonly keyOfAll: string
  readonly entry: (object: StoredObject) => unknown
  readonly bookmark: { readonly kind: string; readonly apiVersion: string }
}

/** A table tells of its columns once in a watch; its bookmarks are not tables, as in Kubernetes. */
const shownOf = (view: View, now: () => number): Shown => {
  switch (view._tag) {
    case 'Whole':
      return {
        one: (object) => object,
        headOfAll: (metadata) => ({ kind: listKind, apiVersion: ownApiVersion, metadata }),
        keyOfAll: 'items',
        entry: (object) => object,
        bookmark: { kind: ownKind, apiVersion: ownApiVersion },
      }
    case 'Partial': {
      const { apiVersion } = view
      return {
        one: (object) => partialOf(object, apiVersion),
        headOfAll: (metadata) => ({ kind: 'PartialObjectMetadataList', apiVersion, metadata }),
        keyOfAll: 'items',
        entry: (object) => partialOf(object, apiVersion),
        bookmark: { kind: 'PartialObjectMetadata', apiVersion },
      }
    }
    case 'Table': {
      const { apiVersion, include } = view
      const row = (object: StoredObject) => rowOf(object, include, apiVersion, now())
      return {
        one: (object, isFirst) => ({
          ...tableHead(apiVersion, resourceVersionOf(object), isFirst ? columnDefinitions : []),
          rows: [row(object)],
        }),
        headOfAll: (metadata) => tableHead(apiVersion, metadata, columnDefinitions),
        keyOfAll: 'rows',
        entry: row,
        bookmark: { kind: ownKind, apiVersion: ownApiVersion },
      }
    }
  }
}

function* mapped(objects: Iterable<StoredObject>, entry: (object: StoredObject) => unknown): Iterable<unknown> {
  for (const object of objects) yield entry(object)
}

const keyOf = (view: View): string =>
  view._tag === 'Table'
    ? `${view._tag} ${view.apiVersion} ${view.include}`
    : view._tag === 'Partial'
      ? `${view._tag} ${view.apiVersion}`
      : view._tag

/** One line of a watch. */
export const lineOf = (type: EventType | 'BOOKMARK' | 'ERROR', object: unknown): Uint8Array =>
  Buffer.from(`${JSON.stringify({ type, object })}\n`)

const documentIn =
  (text: TextFormat) =>
  (status: number, value: unknown, headers: HeaderMap = {}): HttpAnswer =>
    text === jsonText
      ? json(status, value, headers)
      : bytes(status, { ...headers, 'content-type': text.contentType }, [text.document(value)])

/** A view of objects in a syntax; watches are always in JSON. `now`: what ages are counted to, ms since the epoch. */
export const representationOf = (view: View, syntax: Syntax, now: () => number): Representation => {
  const text = texts[syntax]
  const shown = shownOf(view, now)
  const document = documentIn(text)
  return {
    key: keyOf(view),
    document,
    object: (status, object, headers) => document(status, shown.one(object, true), headers),
    list: ({ metadata, items }) => {
      const head = shown.headOfAll({ ...metadata, continue: metadata.continue ?? '' })
      const entries = mapped(items, shown.entry)
      return bytes(200, { 'content-type': text.contentType }, text.collection(head, shown.keyOfAll, entries))
    },
    event: (type, object, isFirst) => lineOf(type, shown.one(object, isFirst)),
    bookmark: (resourceVersion, isInitialEnd) => {
      const annotations = isInitialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}
      return lineOf('BOOKMARK', { ...shown.bookmark, metadata: { resourceVersion, ...annotations } })
    },
  }
}
