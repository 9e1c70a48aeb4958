import { ownService } from '../api/dataplane-service.ts'
import { parsePathTemplate, type TemplateSegment } from '../api/path-template.ts'
import type { ClaimedApis, ClaimedGroupVersion, ClaimedResource, ClaimedRoute } from '../discovery.ts'
import { E } from '../fp.ts'
import type { Claim, RouteTable } from './table.ts'
import { everyLeaf, type Node } from './trie.ts'

type Template = ReadonlyArray<TemplateSegment>

/** The text of a segment that is one, not a parameter or a wildcard. */
const textAt = (template: Template, index: number): string | undefined => {
  const segment = template[index]
  return segment?._tag === 'Literal' ? segment.text : undefined
}

/** Verbs of Kubernetes, as it sorts them. */
const allVerbs = ['create', 'delete', 'get', 'patch', 'update'] as const

const verbsOf = (method: string): ReadonlyArray<string> => {
  switch (method) {
    case 'POST':
      return ['create']
    case 'GET':
      return ['get']
    case 'PUT':
      return ['update']
    case 'PATCH':
      return ['patch']
    case 'DELETE':
      return ['delete']
    case '*':
      return allVerbs
    default:
      return []
  }
}

/**
 * What a route is about, by the rules of Kubernetes' RequestInfo; `undefined`: nothing that has a name. Two texts are a resource and its
 * subresource: `/admission/mutate`; with a third one, the second is the name of an instance: `/plugins/p/metrics`.
 */
const resourceOf = (template: Template, method: string): ClaimedResource | undefined => {
  const namespaced = textAt(template, 0) === 'namespaces' && template[1]?._tag === 'Param' && template.length > 2
  const rest = namespaced ? template.slice(2) : template
  const resource = textAt(rest, 0)
  const verbs = verbsOf(method)
  if (resource === undefined || verbs.length === 0) return undefined
  return { resource, subresource: textAt(rest, 2) ?? textAt(rest, 1), namespaced, verbs }
}

const keyOf = ({ resource, subresource = '' }: ClaimedResource): string => `${resource}/${subresource}`

/** By code units: the same on every machine. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** One entry for each name: discovery knows a resource by nothing else. */
const unite = (resources: ReadonlyArray<ClaimedResource>): ReadonlyArray<ClaimedResource> => {
  const united = new Map<string, ClaimedResource>()
  for (const found of resources) {
    const known = united.get(keyOf(found)) ?? found
    const verbs = [...new Set([...known.verbs, ...found.verbs])].toSorted(compare)
    united.set(keyOf(found), { ...known, namespaced: known.namespaced || found.namespaced, verbs })
  }
  return [...united.values()].toSorted((a, b) => compare(keyOf(a), keyOf(b)))
}

const routeOf = ({ service, type, route }: Claim): ClaimedRoute => ({
  method: route.method,
  path: route.path,
  type,
  pluginID: service.spec.pluginID,
})

const byPath = (a: ClaimedRoute, b: ClaimedRoute): number => compare(a.path, b.path) || compare(a.method, b.method)

const toGroupVersion = (root: Node<Claim>): ClaimedGroupVersion | undefined => {
  const claims = [...everyLeaf(root)].flatMap((leaf) => [...leaf.values()])
  const [first] = claims
  if (first === undefined || first.service === ownService) return undefined
  const { group, version } = first.service.spec
  const resources = claims.flatMap(({ route }) => {
    const template = parsePathTemplate(route.path)
    return E.isRight(template) ? (resourceOf(template.right, route.method) ?? []) : []
  })
  return { group, version, resources: unite(resources), routes: claims.map(routeOf).toSorted(byPath) }
}

interface Rank {
  /** Stable before beta before alpha before what is no version of Kubernetes. */
  readonly stage: number
  readonly major: number
  readonly minor: number
}

const stages: ReadonlyArray<string | undefined> = [undefined, 'beta', 'alpha']

const rankOf = (version: string): Rank => {
  const [whole, major, stage, minor] = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version) ?? []
  return whole === undefined
    ? { stage: stages.length, major: 0, minor: 0 }
    : { stage: stages.indexOf(stage), major: Number(major), minor: Number(minor ?? 0) }
}

/** The preferred version first. Source: CompareKubeAwareVersionStrings of apimachinery. */
export const byPreference = (a: string, b: string): number => {
  const [one, other] = [rankOf(a), rankOf(b)]
  return one.stage - other.stage || other.major - one.major || other.minor - one.minor || compare(a, b)
}

/** Each group and version is read once, as long as nothing of it changes. */
const groupVersions = new WeakMap<Node<Claim>, { readonly apis: ClaimedGroupVersion | undefined }>()
const tables = new WeakMap<RouteTable, ClaimedApis>()

const groupVersionOf = (root: Node<Claim>): ClaimedGroupVersion | undefined => {
  const known = groupVersions.get(root) ?? { apis: toGroupVersion(root) }
  groupVersions.set(root, known)
  return known.apis
}

const toApis = (table: RouteTable): ClaimedApis =>
  [...table.values()]
    .flatMap(({ root }) => groupVersionOf(root) ?? [])
    .toSorted((a, b) => compare(a.group, b.group) || byPreference(a.version, b.version))

/** All that a table claims, for discovery; nothing of what we answer ourselves. Pure: the same list for the same table. */
export const claimedApis = (table: RouteTable): ClaimedApis => {
  const apis = tables.get(table) ?? toApis(table)
  tables.set(table, apis)
  return apis
}
