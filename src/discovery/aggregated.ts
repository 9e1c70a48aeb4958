import { group as ownGroup } from '../api/dataplane-service.ts'
import type { OurResource, OurVersion } from './ours.ts'
import {
  complete,
  isJson,
  itemsOf,
  takeOurs,
  unite,
  type Json,
  type Merge,
  type NameOf,
  type Shape,
} from './records.ts'

/** All of discovery in one document, by the rules of the older ones (`legacy.ts`). Source: APIGroupDiscoveryList of Kubernetes 1.27 and later. */

export const apiGroup = 'apidiscovery.k8s.io'
export const listKind = 'APIGroupDiscoveryList'
export const versions = ['v2', 'v2beta1'] as const
export type AggregatedVersion = (typeof versions)[number]

const kindShape = { group: 'string', version: 'string', kind: 'string' } as const
const subresourceShape: Shape = {
  subresource: 'string',
  responseKind: kindShape,
  acceptedTypes: [kindShape],
  verbs: ['string'],
}
const resourceShape: Shape = {
  resource: 'string',
  responseKind: kindShape,
  scope: 'string',
  singularResource: 'string',
  verbs: ['string'],
  shortNames: ['string'],
  categories: ['string'],
  subresources: [subresourceShape],
}
const versionShape: Shape = { version: 'string', freshness: 'string' }
const groupShape: Shape = { kind: 'string', apiVersion: 'string', metadata: { name: 'string' } }

const groupName: NameOf = ({ metadata }) => (isJson(metadata) ? metadata['name'] : undefined)
const versionName: NameOf = ({ version }) => version
const resourceName: NameOf = ({ resource }) => resource
const subresourceName: NameOf = ({ subresource }) => subresource

const subresourcesOf = ({ subresources }: Json): ReadonlyArray<Json> =>
  itemsOf(subresources, subresourceName, subresourceShape)
const resourcesOf = ({ resources }: Json): ReadonlyArray<Json> => itemsOf(resources, resourceName, resourceShape)
const versionsOf = ({ versions }: Json): ReadonlyArray<Json> => itemsOf(versions, versionName, versionShape)

const toResource = (resource: OurResource, { group, version }: OurVersion): Json => {
  const { name, singular, namespaced, kind, verbs, shortNames, categories, subresources } = resource
  return {
    resource: name,
    // never null, which ends client-go 0.26; without a kind, it stands for its subresources alone
    responseKind: kind === '' ? { group: '', version: '', kind: '' } : { group, version, kind },
    scope: namespaced ? 'Namespaced' : 'Cluster',
    singularResource: singular,
    verbs,
    ...(shortNames === undefined ? {} : { shortNames }),
    ...(categories === undefined ? {} : { categories }),
    ...(subresources.length === 0
      ? {}
      : {
          subresources: subresources.map((subresource) => ({
            subresource: subresource.name,
            responseKind: { group, version, kind: subresource.kind },
            verbs: subresource.verbs,
          })),
        }),
  }
}

const toVersion = (ours: OurVersion): Json => ({
  version: ours.version,
  freshness: 'Current',
  resources: ours.resources.map((resource) => toResource(resource, ours)),
})

const toGroup = (ours: ReadonlyArray<OurVersion>): Json => ({
  metadata: { name: ours[0]?.group ?? '' },
  versions: ours.map(toVersion),
})

const cleanResource = (resource: Json): Json =>
  resource['subresources'] === undefined ? resource : { ...resource, subresources: subresourcesOf(resource) }

const cleanVersion = (version: Json): Json => ({ ...version, resources: resourcesOf(version).map(cleanResource) })

/** Metadata is nothing but the name: whatever else there may be is of types that nobody here knows. */
const cleanGroup = (group: Json): Json => ({
  ...group,
  metadata: { name: groupName(group) },
  versions: versionsOf(group).map(cleanVersion),
})

const hasKind = ({ responseKind }: Json): boolean =>
  isJson(responseKind) && typeof responseKind['kind'] === 'string' && responseKind['kind'] !== ''

/** A resource that stands for its subresources alone says nothing of itself: whoever has it knows more. */
const mergeResource: Merge = (theirs, ours) => {
  const subresources = unite(subresourcesOf(theirs), subresourcesOf(ours), subresourceName, complete)
  const merged = hasKind(theirs) ? complete(theirs, ours) : { ...theirs, ...ours }
  return subresources.length === 0 ? merged : { ...merged, subresources }
}

/** That we answer for a version makes it current, whatever they know of their part of it. */
const mergeVersion =
  (mergeResources: Merge): Merge =>
  (theirs, ours) => ({
    ...theirs,
    ...ours,
    resources: unite(resourcesOf(theirs), resourcesOf(ours), resourceName, mergeResources),
  })

const mergeGroup: Merge = (theirs, ours) => {
  const merge = mergeVersion(groupName(ours) === ownGroup ? takeOurs : mergeResource)
  return { ...theirs, versions: unite(versionsOf(theirs), versionsOf(ours), versionName, merge) }
}

/** Says that a document is one of these, of either version. */
const isAggregated = (document: unknown): document is Json =>
  isJson(document) && document['kind'] === listKind && Array.isArray(document['items'])

const listOf = (version: AggregatedVersion, items: ReadonlyArray<Json>): Json => ({
  kind: listKind,
  apiVersion: `${apiGroup}/${version}`,
  metadata: {},
  items,
})

/** Clients keep what they know of such a version, and do without it for now. */
const markStale = (group: Json): Json => ({
  ...group,
  versions: versionsOf(group).map((version) => ({ ...version, freshness: 'Stale' })),
})

/** The group of `/api` has no name: Kubernetes leaves it out. */
const coreName: NameOf = (group) => ((groupName(group) ?? '') === '' ? 'core' : undefined)

/** `/api`, where nothing is ours. `isStale`: nobody knows whether it is still true. */
export const coreDiscoveryList = (version: AggregatedVersion, theirs: unknown, isStale = false): Json => {
  const known = isAggregated(theirs) ? itemsOf(theirs['items'], coreName, groupShape).map(cleanGroup) : []
  return listOf(version, isStale ? known.map(markStale) : known)
}

/**
 * `/apis`, in the version that the client reads: they differ in nothing else. `ours`: by group. `isStale`: nobody knows whether theirs is
 * still true.
 */
export const groupDiscoveryList = (
  version: AggregatedVersion,
  ours: ReadonlyArray<ReadonlyArray<OurVersion>>,
  theirs: unknown,
  isStale = false,
): Json => {
  const known = isAggregated(theirs) ? itemsOf(theirs['items'], groupName, groupShape).map(cleanGroup) : []
  return listOf(version, unite(isStale ? known.map(markStale) : known, ours.map(toGroup), groupName, mergeGroup))
}
