import { createHash } from 'node:crypto'

import { categories, group, kind, resource, shortNames, singular, version } from '../api/dataplane-service.ts'
import type { ClaimedGroupVersion, ClaimedResource } from '../discovery.ts'

export interface OurSubresource {
  readonly name: string
  readonly kind: string
  readonly verbs: ReadonlyArray<string>
}

export interface OurResource extends OurSubresource {
  readonly singular: string
  readonly namespaced: boolean
  readonly shortNames?: ReadonlyArray<string>
  readonly categories?: ReadonlyArray<string>
  readonly storageVersionHash?: string
  readonly subresources: ReadonlyArray<OurSubresource>
}

/** What we serve below one group and version. */
export interface OurVersion {
  readonly group: string
  readonly version: string
  readonly resources: ReadonlyArray<OurResource>
  /** `undefined`: the registry. */
  readonly claimed: ClaimedGroupVersion | undefined
}

/** No two resources of a version have one kind: clients look resources up by it. Shape: `query-convert` is `QueryConvert`. */
const toKind = (name: string): string => {
  const words = name.split(/[^A-Za-z0-9]+/).map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)
  return words.join('') || name
}

const toSubresource = ({ subresource = '', verbs }: ClaimedResource): OurSubresource => ({
  name: subresource,
  kind: toKind(subresource),
  verbs,
})

/** A resource of whose instances alone something is claimed has no verbs, and no kind, as in Kubernetes. */
const toResource = (name: string, found: ReadonlyArray<ClaimedResource>): OurResource => {
  const itself = found.find(({ subresource }) => subresource === undefined)
  return {
    name,
    kind: itself === undefined ? '' : toKind(name),
    singular: itself === undefined ? '' : name,
    namespaced: found.some(({ namespaced }) => namespaced),
    verbs: itself?.verbs ?? [],
    subresources: found.filter(({ subresource }) => subresource !== undefined).map(toSubresource),
  }
}

export const ofClaimed = (claimed: ClaimedGroupVersion): OurVersion => {
  const byName = new Map<string, ClaimedResource[]>()
  for (const found of claimed.resources) {
    const known = byName.get(found.resource)
    if (known === undefined) byName.set(found.resource, [found])
    else known.push(found)
  }
  const resources = [...byName].map(([name, found]) => toResource(name, found))
  return { group: claimed.group, version: claimed.version, resources, claimed }
}

/** Source: StorageVersionHash of the Kubernetes apiserver. */
const storageVersionHash = createHash('sha256')
  .update(`${group}/${version}/${kind}`)
  .digest()
  .subarray(0, 8)
  .toString('base64')

const readVerbs: ReadonlyArray<string> = ['get', 'list', 'watch']
const allVerbs: ReadonlyArray<string> = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
]

/** Our own group and version. */
export const ofRegistry = (isWritable: boolean): OurVersion => ({
  group,
  version,
  resources: [
    {
      name: resource,
      singular,
      namespaced: false,
      kind,
      verbs: isWritable ? allVerbs : readVerbs,
      shortNames,
      categories,
      storageVersionHash,
      subresources: [{ name: 'status', kind, verbs: isWritable ? ['get', 'patch', 'update'] : ['get'] }],
    },
  ],
  claimed: undefined,
})
