import { parsePathTemplate, type TemplateSegment } from '../api/path-template.ts'
import type { ClaimedGroupVersion, ClaimedRoute } from '../discovery.ts'
import { E } from '../fp.ts'
import { dataDefinitions } from './openapi-data.ts'
import { methods, toPascal, type Api, type Method, type Operation, type Parameter } from './openapi-model.ts'
import { definitionsFor } from './openapi-refs.ts'
import { toldOf, type Told } from './openapi-services.ts'

type Template = ReadonlyArray<TemplateSegment>

/** All that is claimed at one path of OpenAPI. */
interface Place {
  readonly template: Template
  readonly routes: Map<string, ClaimedRoute>
}

/** Paths that differ in names of parameters are one to OpenAPI; and to it the rest of a path is a parameter too. */
const shapeOf = (template: Template): string =>
  template.map((segment) => (segment._tag === 'Literal' ? segment.text : '{}')).join('/')

const isOpen = (template: Template): boolean => template.at(-1)?._tag === 'Tail'

/** Where one segment and the rest of a path are claimed, the path stands for both, and a method that both have for the segment's. */
const placesOf = (routes: ReadonlyArray<ClaimedRoute>): ReadonlyArray<Place> => {
  const places = new Map<string, Place>()
  for (const route of routes) {
    const parsed = parsePathTemplate(route.path)
    if (E.isLeft(parsed)) continue
    const template = parsed.right
    const shape = shapeOf(template)
    const place = places.get(shape) ?? { template, routes: new Map<string, ClaimedRoute>() }
    if (!isOpen(template) || !place.routes.has(route.method)) place.routes.set(route.method, route)
    places.set(shape, isOpen(template) ? { ...place, template } : place)
  }
  return [...places.values()]
}

/** OpenAPI has no word for many segments: as in Kubernetes' own proxies, one parameter stands for all of them. */
const tailName = (template: Template): string => {
  const taken = new Set(template.map((segment) => (segment._tag === 'Param' ? segment.name : '')))
  let name = 'path'
  while (taken.has(name)) name = `${name}_`
  return name
}

const known: Readonly<Record<string, string | undefined>> = {
  namespace: 'Namespace. Shape: default, org-2, stacks-3.',
  uid: 'Uid of the instance.',
}

const parametersOf = (template: Template, tail: string): ReadonlyArray<Parameter> => {
  const parameter = (name: string, description: string): Parameter => ({
    in: 'path',
    name,
    type: 'string',
    description,
  })
  return template.flatMap((segment) => {
    if (segment._tag === 'Tail') return [parameter(tail, 'All that follows, slashes too.')]
    const named = segment._tag === 'Param' ? segment.name : undefined
    if (named === undefined) return []
    return [parameter(named, Object.hasOwn(known, named) ? (known[named] ?? '') : 'One segment of the path.')]
  })
}

const textOf = (segment: TemplateSegment, tail: string): string => {
  switch (segment._tag) {
    case 'Literal':
      return segment.text
    case 'Param':
      return `{${segment.name}}`
    case 'Tail':
      return `{${tail}}`
  }
}

const wordOf = (segment: TemplateSegment): string => {
  switch (segment._tag) {
    case 'Literal':
      return toPascal(segment.text)
    case 'Param':
      return `By${toPascal(segment.name)}`
    case 'Tail':
      return 'WithPath'
  }
}

/** Shape: `NamespacedDatasourcesByUidQuery`. */
const wordsOf = (template: Template): string =>
  template
    .map(wordOf)
    .join('')
    .replace(/^NamespacesByNamespace/, 'Namespaced')

/** Gives each text once; a second one gets a number. */
const createUnique = (): ((text: string) => string) => {
  const given = new Set<string>()
  const counts = new Map<string, number>()
  return (text) => {
    let count = counts.get(text) ?? 1
    let unique = text
    while (given.has(unique)) unique = `${text}_${String(++count)}`
    counts.set(text, count)
    given.add(unique)
    return unique
  }
}

/** A method that is claimed by name is not among the others of `*`; and whoever answers GET answers HEAD, as everybody knows. */
const routesByMethod = ({ routes }: Place): ReadonlyArray<readonly [Method, ClaimedRoute]> => {
  const any = routes.get('*')
  return methods.flatMap((method) => {
    const route = routes.get(method.toUpperCase()) ?? (method === 'head' && routes.has('GET') ? undefined : any)
    return route === undefined ? [] : [[method, route] as const]
  })
}

/** A claimed group and version. */
export const claimedApi = ({ group, version, routes }: ClaimedGroupVersion): Api => {
  const unique = createUnique()
  const tolds = new Set<Told>()
  const prefix = `${toPascal(group)}${toPascal(version)}`
  const paths = placesOf(routes).map((place): Api['paths'][number] => {
    const tail = tailName(place.template)
    const words = wordsOf(place.template)
    const operations = routesByMethod(place).map(([method, route]): readonly [Method, Operation] => {
      const told = toldOf(route, method)
      tolds.add(told)
      return [method, { ...told, id: unique(`${method}${prefix}${words}`), tag: route.type }]
    })
    const path = `/apis/${group}/${version}/${place.template.map((segment) => textOf(segment, tail)).join('/')}`
    return [path, { parameters: parametersOf(place.template, tail), operations: Object.fromEntries(operations) }]
  })
  return {
    title: `${group}/${version}`,
    version,
    paths,
    definitions: definitionsFor(tolds, dataDefinitions),
  }
}
