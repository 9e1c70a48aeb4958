import { isDeepStrictEqual } from 'node:util'

import type { RejectedObject } from '../source.ts'
import type { TextFile } from '../text-files.ts'
import type { NamedObject } from './accept.ts'
import { readManifest, rejectedBy, type Manifest } from './manifest.ts'

/** Who defines a name. */
export interface Definition {
  readonly manifest: Manifest
  readonly object: NamedObject
}

/** Which file defines which objects. Whatever changes it gives back the names that it may concern. */
export interface Catalog {
  readonly replaceAll: (files: ReadonlyArray<TextFile>) => ReadonlySet<string>
  /** One file as it is now; `undefined`: gone. */
  readonly replace: (name: string, file: TextFile | undefined) => ReadonlySet<string>
  /** Of several files the first, by file name, where it is right; where it is right nowhere, the first. */
  readonly definitionOf: (name: string) => Definition | undefined
  readonly isRepeated: (name: string) => boolean
  /** Files that are no use as a whole, by name. */
  readonly broken: () => ReadonlyMap<string, string>
  readonly rejected: () => ReadonlyArray<RejectedObject>
}

const isSameFile = (a: TextFile, b: TextFile): boolean => a === b || isDeepStrictEqual(a.text, b.text)

const namesIn = (manifest: Manifest | undefined): ReadonlyArray<string> =>
  manifest === undefined ? [] : [...manifest.served.keys(), ...manifest.wrong.keys()]

export const createCatalog = (): Catalog => {
  const manifests = new Map<string, Manifest>()
  /** Names of files in their order, by name of object. */
  const files = new Map<string, ReadonlyArray<string>>()
  const broken = new Map<string, string>()
  /** Names that several files define. */
  const shared = new Set<string>()

  const place = (name: string, file: string, isThere: boolean): void => {
    const others = (files.get(name) ?? []).filter((each) => each !== file)
    const all = isThere ? [...others, file].sort() : others
    if (all.length === 0) files.delete(name)
    else files.set(name, all)
    if (all.length > 1) shared.add(name)
    else shared.delete(name)
  }

  const replace = (name: string, file: TextFile | undefined): ReadonlySet<string> => {
    const last = manifests.get(name)
    if (last !== undefined && file !== undefined && isSameFile(last.file, file)) return new Set()
    const next = file && readManifest(file, last)
    if (next === undefined) manifests.delete(name)
    else manifests.set(name, next)
    if (next?.error === undefined) broken.delete(name)
    else broken.set(name, next.error)
    const [before, after] = [namesIn(last), namesIn(next)]
    for (const each of before) place(each, name, false)
    for (const each of after) place(each, name, true)
    return new Set([...before, ...after])
  }

  const replaceAll = (all: ReadonlyArray<TextFile>): ReadonlySet<string> => {
    const names = new Set(all.map((file) => file.name))
    const concerned = new Set<string>()
    for (const name of [...manifests.keys()]) {
      if (!names.has(name)) for (const each of replace(name, undefined)) concerned.add(each)
    }
    for (const file of all) for (const each of replace(file.name, file)) concerned.add(each)
    return concerned
  }

  const definitionOf = (name: string): Definition | undefined => {
    const all = (files.get(name) ?? []).flatMap((file) => manifests.get(file) ?? [])
    for (const kind of ['served', 'wrong'] as const) {
      for (const manifest of all) {
        const object = manifest[kind].get(name)
        if (object !== undefined) return { manifest, object }
      }
    }
    return undefined
  }

  const inOrder = (fits: (manifest: Manifest) => boolean): ReadonlyArray<Manifest> =>
    [...manifests.values()].filter(fits).sort((a, b) => (a.file.name < b.file.name ? -1 : 1))

  return {
    replaceAll,
    replace,
    definitionOf,
    isRepeated: (name) => shared.has(name) || definitionOf(name)?.manifest.repeated.has(name) === true,
    broken: () => new Map([...broken].sort(([a], [b]) => (a < b ? -1 : 1))),
    rejected: () => {
      const concerned = new Set([...shared].flatMap((name) => files.get(name) ?? []))
      const speaking = inOrder(({ file, rejected }) => rejected.length > 0 || concerned.has(file.name))
      return rejectedBy(speaking, (name) => definitionOf(name)?.object)
    },
  }
}
