import type { OpenApiV2 } from './openapi-v2.ts'
import type { OpenApiV3 } from './openapi-v3.ts'
import { isJson, type Json } from './records.ts'

/** The documents of OpenAPI, ours and the next handler's as one. Theirs: any JSON; what is no such document is left out. */

type Named = Readonly<Record<string, Json>>

/** Parts by name, those that are objects. */
const partsOf = (value: unknown): Named => {
  const entries = isJson(value) ? Object.entries(value) : []
  return Object.fromEntries(entries.flatMap(([name, part]) => (isJson(part) ? [[name, part]] : [])))
}

/** A path that both have keeps their methods beside ours. */
const unitePaths = (theirs: unknown, ours: unknown): Named => {
  const [known, mine] = [partsOf(theirs), partsOf(ours)]
  const both = Object.entries(mine).map(([path, item]) => [path, { ...known[path], ...item }] as const)
  return { ...known, ...Object.fromEntries(both) }
}

/** Definitions of Kubernetes itself are theirs, who may have more of them; ours are of our own names. */
const uniteDefinitions = (theirs: unknown, ours: unknown): Named => {
  const [known, mine] = [partsOf(theirs), partsOf(ours)]
  const own = Object.entries(mine).filter(([name]) => !(name.startsWith('io.k8s.') && Object.hasOwn(known, name)))
  return { ...known, ...Object.fromEntries(own) }
}

export const mergeOpenApiV2 = (ours: OpenApiV2, theirs: unknown): Json =>
  isJson(theirs) && theirs['swagger'] === '2.0'
    ? {
        ...theirs,
        paths: unitePaths(theirs['paths'], ours.paths),
        definitions: uniteDefinitions(theirs['definitions'], ours.definitions),
      }
    : { ...ours }

const isOpenApiV3 = (document: unknown): document is Json => {
  const version = isJson(document) ? document['openapi'] : undefined
  return typeof version === 'string' && version.startsWith('3.')
}

export const mergeOpenApiV3 = (ours: OpenApiV3, theirs: unknown): Json => {
  if (!isOpenApiV3(theirs)) return { ...ours }
  const components = partsOf({ components: theirs['components'] })['components'] ?? {}
  return {
    ...theirs,
    paths: unitePaths(theirs['paths'], ours.paths),
    components: { ...components, schemas: uniteDefinitions(components['schemas'], ours.components.schemas) },
  }
}

/** Where our document of a group and version is, and a text that changes with it. */
export interface Listed {
  /** Shape: `p.example.com/v1`. */
  readonly groupVersion: string
  readonly hash: string
}

const queryOf = (url: string): string => url.split('#', 1)[0]?.split('?').slice(1).join('?') ?? ''

/**
 * `/openapi/v3`: where the document of each group and version is. Of one that both have, the next handler is asked for its part by the
 * very query that it gave away: a `hash` that it does not know it would send elsewhere.
 */
export const mergeOpenApiV3Index = (ours: ReadonlyArray<Listed>, theirs: unknown): Json => {
  const urls = new Map<string, string>()
  for (const [key, { serverRelativeURL }] of Object.entries(partsOf(isJson(theirs) ? theirs['paths'] : undefined))) {
    if (typeof serverRelativeURL === 'string') urls.set(key, serverRelativeURL)
  }
  for (const { groupVersion, hash } of ours) {
    const key = `apis/${groupVersion}`
    const their = queryOf(urls.get(key) ?? '')
    urls.set(key, `/openapi/v3/${key}?${their === '' ? `hash=${hash}` : `${their}&dataplane=${hash}`}`)
  }
  return { paths: Object.fromEntries([...urls].map(([key, url]) => [key, { serverRelativeURL: url }])) }
}
