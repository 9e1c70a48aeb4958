import { E, pipe } from '../fp.ts'
import type { RejectedObject, Snapshot } from '../source.ts'
import { capReports, type TextFile } from '../text-files.ts'
import { parseYaml } from '../yaml.ts'
import {
  acceptObjects,
  duplicateOf,
  fieldOf,
  nothingAccepted,
  type Accepted,
  type NamedObject,
  type ServedObject,
} from './accept.ts'

/** Where an object stands in its file: a document of it, or an item of a list that is one; counted from 0, without empty documents. */
export interface Place {
  readonly document: number
  readonly item: number | undefined
}

/** What one file contributes. */
export interface Manifest extends Accepted {
  readonly file: TextFile
  /** Why the file as a whole is no use; all else is then that of its last good text. */
  readonly error: string | undefined
  /** By the index of an object. */
  readonly places: ReadonlyArray<Place>
}

export const itemsOf = (document: unknown): ReadonlyArray<unknown> => {
  const kind = fieldOf(document, 'kind')
  const items = kind === 'List' || kind === 'DataPlaneServiceList' ? fieldOf(document, 'items') : undefined
  return Array.isArray(items) ? items : [document]
}

/** All documents and the items of lists. */
const findObjects = (documents: ReadonlyArray<unknown>): ReadonlyArray<Place & { readonly value: unknown }> =>
  documents.flatMap((value, document): ReadonlyArray<Place & { readonly value: unknown }> => {
    const items = itemsOf(value)
    const isList = items.length !== 1 || items[0] !== value
    return isList
      ? items.map((item, index) => ({ document, item: index, value: item }))
      : [{ document, item: undefined, value }]
  })

/** One file's part of `rejected`. */
const capRejected = (rejected: ReadonlyArray<RejectedObject>, origin: string): ReadonlyArray<RejectedObject> =>
  capReports(rejected, (count) => ({
    origin,
    name: undefined,
    causes: [{ reason: 'FieldValueInvalid', field: '', message: `and ${count} more objects` }],
  }))

/** Reads a file that is new or changed; `last` is what it contributed before. Objects are counted from 1 if there are several. Pure. */
export const readManifest = (file: TextFile, last?: Manifest): Manifest =>
  pipe(
    file.text,
    E.flatMap((text) => parseYaml(text)),
    E.match(
      (error): Manifest => ({ ...nothingAccepted, places: [], ...last, file, error }),
      (documents): Manifest => {
        const places = findObjects(documents)
        const originOf = (index: number): string =>
          places.length === 1 ? file.name : `${file.name}#${String(index + 1)}`
        const found = places.map(({ value }, index) => ({ origin: originOf(index), value }))
        const accepted = acceptObjects(found)
        return {
          ...accepted,
          rejected: capRejected(accepted.rejected, file.name),
          file,
          error: undefined,
          places: places.map(({ document, item }) => ({ document, item })),
        }
      },
    ),
  )

/** What files have to say against objects, in their order; `firstOf` tells who defines a name. */
export const rejectedBy = (
  manifests: Iterable<Manifest>,
  firstOf: (name: string) => NamedObject | undefined,
): ReadonlyArray<RejectedObject> => {
  const rejected: ReadonlyArray<RejectedObject>[] = []
  for (const manifest of manifests) {
    const duplicates: RejectedObject[] = []
    for (const [name, object] of manifest.served) {
      const first = firstOf(name)
      if (first !== undefined && first !== object) duplicates.push(duplicateOf(name, first, object.origin))
    }
    rejected.push(manifest.rejected, capRejected(duplicates, manifest.file.name))
  }
  return rejected.flat()
}

/** All files as one state, for whoever needs no more of it. A name that several files define is the first file's. Pure. */
export const toSnapshot = (manifests: ReadonlyArray<Manifest>): Snapshot => {
  const all = new Map<string, ServedObject>()
  for (const { served } of manifests) for (const [name, object] of served) if (!all.has(name)) all.set(name, object)
  return {
    services: [...all.values()].map(({ service }) => service),
    rejected: rejectedBy(manifests, (name) => all.get(name)),
  }
}
