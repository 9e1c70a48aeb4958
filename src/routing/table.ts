import { parsePathTemplate, type TemplateSegment } from '../api/path-template.ts'
import {
  group,
  ownService,
  version,
  type DataPlaneService,
  type OwnType,
  type Service,
  type ServiceType,
} from '../api/dataplane-service.ts'
import type { StatusCause } from '../api/status.ts'
import { E, pipe } from '../fp.ts'
import type { RouteType, ServiceDefinition, ServiceRoute } from '../service.ts'
import type { Verdict } from '../verdict.ts'
import { emptyNode, everyLeaf, leafAt, overlapping, type Node } from './trie.ts'

/** A claim that stands: one method and template, of one service of one object. */
export interface Claim {
  readonly service: DataPlaneService
  readonly type: RouteType
  readonly route: ServiceRoute
  /** Names of the template's parameters, in their order in the path below `/apis/{group}/{version}`. */
  readonly names: ReadonlyMap<number, string>
}

/** All claims under one group and version. */
interface GroupVersion {
  readonly services: ReadonlyArray<DataPlaneService>
  readonly root: Node<Claim>
  readonly verdicts: ReadonlyArray<Verdict>
}

/** Immutable. Key: `{group}/{version}`. */
export type RouteTable = ReadonlyMap<string, GroupVersion>

export type Definitions = Readonly<Record<ServiceType, ServiceDefinition>>

export const emptyTable: RouteTable = new Map()

/** No time counts as the oldest: such an object stands in a file of the operator's own, and nothing made over an API takes a path from it. */
const createdAtMs = ({ metadata }: DataPlaneService): number => {
  const parsed = Date.parse(metadata.creationTimestamp ?? '')
  return Number.isNaN(parsed) ? -Infinity : parsed
}

/** The older first, then by name. Source: how kube-aggregator and the Gateway API settle two claims on one thing. */
const byAge = (a: DataPlaneService, b: DataPlaneService): number => {
  const [createdA, createdB] = [createdAtMs(a), createdAtMs(b)]
  if (createdA !== createdB) return createdA - createdB
  return a.metadata.name < b.metadata.name ? -1 : 1
}

interface Template {
  readonly segments: ReadonlyArray<TemplateSegment>
  readonly names: ReadonlyMap<number, string>
}

const namesOf = (segments: ReadonlyArray<TemplateSegment>): ReadonlyMap<number, string> =>
  new Map(segments.flatMap((segment, index) => (segment._tag === 'Param' ? [[index, segment.name] as const] : [])))

/** So many are kept. */
const maxTemplates = 1000

/** Thousands of objects share a few paths: each is read once. */
const createTemplates = (): ((path: string) => E.Either<string, Template>) => {
  const known = new Map<string, E.Either<string, Template>>()
  return (path) => {
    const found = known.get(path)
    if (found !== undefined) return found
    const template = pipe(
      parsePathTemplate(path),
      E.map((segments) => ({ segments, names: namesOf(segments) })),
    )
    if (known.size >= maxTemplates) known.clear()
    known.set(path, template)
    return template
  }
}

const readTemplate = createTemplates()

/**
 * A table of what we answer ourselves below our own group, which no object may claim. It is where every other table begins:
 * `compile(services, definitions, own)`. Throws where a path is no template.
 */
export const ownTable = (type: OwnType, routes: ReadonlyArray<ServiceRoute>): RouteTable => {
  const root = emptyNode<Claim>()
  for (const route of routes) {
    const template = readTemplate(route.path)
    if (E.isLeft(template)) throw new TypeError(`${route.path}: ${template.left}`)
    const { segments, names } = template.right
    leafAt(root, segments).set(route.method, { service: ownService, type, route, names })
  }
  return new Map([[`${group}/${version}`, { services: [], root, verdicts: [] }]])
}

const methodsMeet = (a: string, b: string): boolean => a === b || a === '*' || b === '*'

/**
 * Who already holds a claim that this one would cut into. Another object's claim does so with any path in common, so nobody can
 * take over a part of someone's routes by a more specific template; within one object the more specific one simply wins.
 */
const holderOf = (
  root: Node<Claim>,
  template: ReadonlyArray<TemplateSegment>,
  { service, route }: Claim,
): DataPlaneService | undefined => {
  for (const leaf of overlapping(root, template)) {
    for (const [method, held] of leaf) {
      if (held.service !== service && methodsMeet(method, route.method)) return held.service
    }
  }
  return leafAt(root, template).get(route.method)?.service
}

const conflict = (index: number, route: ServiceRoute, holder: DataPlaneService): StatusCause => ({
  reason: 'FieldValueForbidden',
  field: `spec.services[${String(index)}]`,
  message: `${route.method} ${route.path} is claimed by DataPlaneService "${holder.metadata.name}"`,
})

const claim = (root: Node<Claim>, service: DataPlaneService, definitions: Definitions): Verdict => {
  const claimRoute = (entry: Service, index: number, route: ServiceRoute): ReadonlyArray<StatusCause> => {
    const template = readTemplate(route.path)
    if (E.isLeft(template)) {
      return [{ reason: 'FieldValueInvalid', field: `spec.services[${String(index)}].path`, message: template.left }]
    }
    const { segments, names } = template.right
    const claimed: Claim = { service, type: entry.type, route, names }
    const holder = holderOf(root, segments, claimed)
    if (holder !== undefined) return [conflict(index, route, holder)]
    leafAt(root, segments).set(route.method, claimed)
    return []
  }
  const claims = service.spec.services.flatMap((entry, index) =>
    definitions[entry.type].routes(entry, service).map((route) => claimRoute(entry, index, route)),
  )
  return { service, conflicts: claims.flat(), claimCount: claims.length }
}

const compileGroupVersion = (services: ReadonlyArray<DataPlaneService>, definitions: Definitions): GroupVersion => {
  const root = emptyNode<Claim>()
  const verdicts = services.toSorted(byAge).map((service) => claim(root, service, definitions))
  return { services, root, verdicts }
}

/** Objects that are no more, and those that are new. A changed object is both. */
export interface Changes {
  readonly gone: Iterable<DataPlaneService>
  readonly come: Iterable<DataPlaneService>
}

const keyOf = ({ spec }: DataPlaneService): string => `${spec.group}/${spec.version}`

/**
 * The table after some changes, and the keys of the groups and versions that are touched by them. Pure. All others are taken over as
 * they are, so one change among many costs one small recompilation.
 */
export const recompile = (
  table: RouteTable,
  { gone, come }: Changes,
  definitions: Definitions,
): { readonly table: RouteTable; readonly touched: ReadonlyArray<string> } => {
  const touched = new Map<string, Set<DataPlaneService>>()
  const servicesOf = (service: DataPlaneService): Set<DataPlaneService> => {
    const key = keyOf(service)
    const services = touched.get(key) ?? new Set(table.get(key)?.services)
    touched.set(key, services)
    return services
  }
  for (const service of gone) servicesOf(service).delete(service)
  for (const service of come) servicesOf(service).add(service)
  const next = new Map(table)
  for (const [key, services] of touched) {
    if (services.size === 0) next.delete(key)
    else next.set(key, compileGroupVersion([...services], definitions))
  }
  return { table: next, touched: [...touched.keys()] }
}

/** Compiles a whole list of objects. `own`: what we answer ourselves. Pure. */
export const compile = (
  services: Iterable<DataPlaneService>,
  definitions: Definitions,
  own: RouteTable = emptyTable,
): RouteTable => recompile(own, { gone: [], come: services }, definitions).table

/** What became of every object of a table. */
export const verdictsOf = (table: RouteTable): ReadonlyArray<Verdict> =>
  [...table.values()].flatMap(({ verdicts }) => verdicts)

/** Every claim that stands. */
export const claimsOf = (table: RouteTable): ReadonlyArray<Claim> =>
  [...table.values()].flatMap(({ root }) => [...everyLeaf(root)].flatMap((leaf) => [...leaf.values()]))
