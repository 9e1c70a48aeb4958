import type { Known } from './known.ts'

/** One document, by its place. */
export type Place = 'core' | 'groups' | 'group' | 'version' | 'openApiV2' | 'openApiV3' | 'openApiV3Version'

export interface Found {
  readonly place: Place
  /** Canonical. */
  readonly path: string
  readonly query: string
}

const apiPath = '/api'
const apisPath = '/apis'
const groupStart = '/apis/'.length
const openApiPath = '/openapi/v'
const openApiVersions = '/openapi/v3/apis/'

const slash = 0x2f

const endOf = (target: string): number => {
  const end = target.indexOf('?')
  return end === -1 ? target.length : end
}

/** A fragment is none of the server's business. */
const queryAt = (target: string, end: number): string => target.slice(end + 1).split('#', 1)[0] ?? ''

const at = (place: Place, path: string, target: string, end: number): Found => ({
  place,
  path,
  query: queryAt(target, end),
})

/** Of a target that goes on after `/apis/`. */
const findGroup = (target: string, end: number, known: () => Known): Found | undefined => {
  const afterGroup = target.indexOf('/', groupStart)
  const isGroup = afterGroup === -1 || afterGroup >= end
  const afterVersion = isGroup ? -1 : target.indexOf('/', afterGroup + 1)
  if (afterVersion !== -1 && afterVersion < end) return undefined
  const { groups, versions } = known()
  const isKnown = (isGroup ? groups : versions).has(target.slice(groupStart, end))
  return isKnown ? at(isGroup ? 'group' : 'version', target.slice(0, end), target, end) : undefined
}

const findApis = (target: string, known: () => Known): Found | undefined => {
  const end = endOf(target)
  const isCore = end === apiPath.length
  if (!isCore && !target.startsWith(apisPath)) return undefined
  const hasSlash = target.charCodeAt(apisPath.length) === slash
  if (isCore || end === apisPath.length || (end === groupStart && hasSlash)) {
    if (known().versions.size === 0) return undefined
    return isCore ? at('core', apiPath, target, end) : at('groups', apisPath, target, end)
  }
  return hasSlash ? findGroup(target, end, known) : undefined
}

const findOpenApi = (target: string, known: () => Known, hasOpenApiV2: boolean): Found | undefined => {
  const end = endOf(target)
  const path = target.slice(0, end)
  if (path === '/openapi/v2') return hasOpenApiV2 ? at('openApiV2', path, target, end) : undefined
  if (path === '/openapi/v3') return known().versions.size === 0 ? undefined : at('openApiV3', path, target, end)
  if (!path.startsWith(openApiVersions)) return undefined
  return known().versions.has(path.slice(openApiVersions.length))
    ? at('openApiV3Version', path, target, end)
    : undefined
}

/**
 * The document that a request target is for, in its one plain spelling; `undefined`: none, or about nothing that is known. Of a path of
 * anybody else it costs two comparisons, and no memory.
 */
export const find = (target: string, known: () => Known, hasOpenApiV2: boolean): Found | undefined => {
  if (target.startsWith(apiPath)) return findApis(target, known)
  return target.startsWith(openApiPath) ? findOpenApi(target, known, hasOpenApiV2) : undefined
}
