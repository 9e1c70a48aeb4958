import type { OurResource, OurVersion } from './ours.ts'
import { complete, fits, isJson, itemsOf, takeOurs, unite, type Json, type NameOf, type Shape } from './records.ts'

/**
 * The documents of discovery as they have always been. Theirs: what the next handler says, any JSON. What cannot be read of it is left out,
 * and nothing is thrown. Its groups and versions keep their places before ours, so that no name that is looked up without its group means
 * something else than it did without us.
 */

const textShape = { groupVersion: 'string', version: 'string' } as const
const resourceShape: Shape = {
  name: 'string',
  singularName: 'string',
  namespaced: 'boolean',
  group: 'string',
  version: 'string',
  kind: 'string',
  verbs: ['string'],
  shortNames: ['string'],
  categories: ['string'],
  storageVersionHash: 'string',
}
const addressesShape: Shape = [{ clientCIDR: 'string', serverAddress: 'string' }]

const nameOf: NameOf = ({ name }) => name
const versionOf: NameOf = ({ groupVersion, version }) => (typeof version === 'string' ? groupVersion : undefined)

const toVersion = ({ group, version }: OurVersion): Json => ({ groupVersion: `${group}/${version}`, version })

const withPreferred = (group: Json, versions: ReadonlyArray<Json>): Json => {
  const { preferredVersion, serverAddressByClientCIDRs, ...rest } = group
  const isKept = isJson(preferredVersion) && fits(preferredVersion, textShape)
  const preferred = isKept ? preferredVersion : versions[0]
  return {
    ...rest,
    versions,
    ...(preferred === undefined ? {} : { preferredVersion: preferred }),
    ...(serverAddressByClientCIDRs !== undefined && fits(serverAddressByClientCIDRs, addressesShape)
      ? { serverAddressByClientCIDRs }
      : {}),
  }
}

/** Versions of one group, the preferred one first. */
const toGroup = (versions: ReadonlyArray<OurVersion>): Json =>
  withPreferred({ name: versions[0]?.group ?? '' }, versions.map(toVersion))

const cleanGroup = (group: Json): Json => withPreferred(group, itemsOf(group['versions'], versionOf, textShape))

const mergeGroup = (theirs: Json, ours: Json): Json => {
  const versions = itemsOf(theirs['versions'], versionOf, textShape)
  const mine = itemsOf(ours['versions'], versionOf, textShape)
  return withPreferred(
    theirs,
    unite(versions, mine, versionOf, (their) => their),
  )
}

const groupShape: Shape = { name: 'string', kind: 'string', apiVersion: 'string' }

const coreShape: Shape = { kind: 'string', versions: ['string'], serverAddressByClientCIDRs: addressesShape }

/** Says that a document is that of `/api`. */
export const isCoreVersions = (document: unknown): boolean =>
  isJson(document) && document['kind'] === 'APIVersions' && fits(document, coreShape)

const groupsOf = (document: unknown): ReadonlyArray<Json> =>
  isJson(document) && document['kind'] === 'APIGroupList' ? itemsOf(document['groups'], nameOf, groupShape) : []

/** Says that a document is a list of these, and of at least one. */
export const hasGroups = (document: unknown): boolean => groupsOf(document).length > 0

/** `/apis`. `ours`: by group. */
export const groupList = (ours: ReadonlyArray<ReadonlyArray<OurVersion>>, theirs: unknown): Json => ({
  kind: 'APIGroupList',
  apiVersion: 'v1',
  groups: unite(groupsOf(theirs).map(cleanGroup), ours.map(toGroup), nameOf, mergeGroup),
})

/** `/apis/{group}`. `ours`: its versions. */
export const group = (ours: ReadonlyArray<OurVersion>, theirs: unknown): Json => {
  const mine = toGroup(ours)
  const isTheSame = isJson(theirs) && theirs['kind'] === 'APIGroup' && theirs['name'] === mine['name']
  return { ...(isTheSame ? mergeGroup(theirs, mine) : mine), kind: 'APIGroup', apiVersion: 'v1' }
}

const toResources = (resource: OurResource): ReadonlyArray<Json> => {
  const { name, singular, namespaced, kind, verbs, shortNames, categories, storageVersionHash } = resource
  const subresources = resource.subresources.map((subresource) => ({
    name: `${name}/${subresource.name}`,
    singularName: '',
    namespaced,
    kind: subresource.kind,
    verbs: subresource.verbs,
  }))
  // what has no kind stands for its subresources alone
  if (kind === '') return subresources
  return [
    {
      name,
      singularName: singular,
      namespaced,
      kind,
      verbs,
      ...(shortNames === undefined ? {} : { shortNames }),
      ...(categories === undefined ? {} : { categories }),
      ...(storageVersionHash === undefined ? {} : { storageVersionHash }),
    },
    ...subresources,
  ]
}

/** `/apis/{group}/{version}`: the resources of both. Where both have one, it is theirs, with our verbs; the registry's are ours. */
export const resourceList = (ours: OurVersion, theirs: unknown): Json => {
  const groupVersion = `${ours.group}/${ours.version}`
  const isTheSame = isJson(theirs) && theirs['kind'] === 'APIResourceList' && theirs['groupVersion'] === groupVersion
  const known = isTheSame ? itemsOf(theirs['resources'], nameOf, resourceShape) : []
  const mine = ours.resources.flatMap(toResources)
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion,
    resources: unite(known, mine, nameOf, ours.claimed === undefined ? takeOurs : complete),
  }
}
