import { isDeepStrictEqual } from 'node:util'

import type { DataPlaneService } from '../api/dataplane-service.ts'
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
  type FoundObject,
  type ServedObject,
} from './accept.ts'

/** What one file contributes. */
export interface Manifest extends Accepted {
  readonly file: TextFile
  /** Why the file as a whole is no use; `served` and `rejected` are then those of its last good text. */
  readonly error: string | undefined
}

export type ServicesByName = ReadonlyMap<string, DataPlaneService>

export const itemsOf = (document: unknown): ReadonlyArray<unknown> => {
  const kind = fieldOf(document, 'kind')
  const items = kind === 'List' || kind === 'DataPlaneServiceList' ? fieldOf(document, 'items') : undefined
  return Array.isArray(items) ? items : [document]
}

/** The objects of all documents and lists of a file, counted from 1 through the whole file if there are several. */
const findObjects = (name: string, documents: ReadonlyArray<unknown>): ReadonlyArray<FoundObject> =>
  documents.flatMap(itemsOf).map((value, index, all) => ({
    origin: all.length === 1 ? name : `${name}#${String(index + 1)}`,
    value,
  }))

/** An object that reads the same as the current one is the current one: whoever compiled it need not do so again. */
const keepIdentity = (served: ServedObject, current: ServicesByName): ServedObject => {
  const known = current.get(served.service.metadata.name)
  return known !== undefined && isDeepStrictEqual(known, served.service) ? { ...served, service: known } : served
}

/** One file's part of `rejected`. */
const capRejected = (rejected: ReadonlyArray<RejectedObject>, origin: string): ReadonlyArray<RejectedObject> =>
  capReports(rejected, (count) => ({
    origin,
    name: undefined,
    causes: [{ reason: 'FieldValueInvalid', field: '', message: `and ${count} more objects` }],
  }))

/** Reads a file that is new or changed. `last` is what the file contributed before, `current` what all files do. Pure. */
export const readManifest = (file: TextFile, last: Manifest | undefined, current: ServicesByName): Manifest =>
  pipe(
    file.text,
    E.flatMap((text) => parseYaml(text)),
    E.match(
      (error): Manifest => ({ ...(last ?? nothingAccepted), file, error }),
      (documents): Manifest => {
        const { served, rejected } = acceptObjects(findObjects(file.name, documents), last?.served)
        const same = [...served].map(([name, object]) => [name, keepIdentity(object, current)] as const)
        return { file, error: undefined, served: new Map(same), rejected: capRejected(rejected, file.name) }
      },
    ),
  )

/** All files as one state. A name that several files define is the first file's. Pure. */
export const toSnapshot = (manifests: Iterable<Manifest>): Snapshot => {
  const all = new Map<string, ServedObject>()
  const rejected: ReadonlyArray<RejectedObject>[] = []
  for (const manifest of manifests) {
    const duplicates: RejectedObject[] = []
    for (const [name, object] of manifest.served) {
      const first = all.get(name)
      if (first === undefined) all.set(name, object)
      else duplicates.push(duplicateOf(first, object.origin))
    }
    rejected.push(manifest.rejected, capRejected(duplicates, manifest.file.name))
  }
  return { services: [...all.values()].map(({ service }) => service), rejected: rejected.flat() }
}

export const isSameSnapshot = (a: Snapshot, b: Snapshot): boolean =>
  a.services.length === b.services.length &&
  a.services.every((service, index) => service === b.services[index]) &&
  isDeepStrictEqual(a.rejected, b.rejected)
