import type { DataPlaneService } from '../api/dataplane-service.ts'
import { describeCauses } from '../decode.ts'
import type { RouteType } from '../service.ts'
import type { Registry } from '../verdict.ts'
import { match, type Match } from './match.ts'
import type { Claim, RouteTable } from './table.ts'

/** Why a request is answered here, and by what; or why it is not. */
export type Explanation =
  | {
      readonly to: 'next'
      /** One sentence. Shape: `no DataPlaneService claims version "v1" of group "p.example.com"`. */
      readonly why: string
      /** What is claimed nearby. Shape: `POST /apis/p.example.com/v1/namespaces/{namespace}/datasources/{uid}/query`. */
      readonly nearby: ReadonlyArray<string>
    }
  | {
      readonly to: 'us'
      /** The service type; `registry` and `discovery` are our own. */
      readonly type: RouteType
      /** The object that claims the path. */
      readonly dataPlaneService: string
      /** Empty for what we answer ourselves, or an HTTP backend does. */
      readonly pluginID: string
      /** Left out where the plugin answers. */
      readonly backend?: string
      /** Method and template of the claim. */
      readonly route: string
      /** What is matched, authorized and sent on. */
      readonly path: string
      readonly params: Readonly<Record<string, string | undefined>>
      readonly tail: string
      /** The names of all layers, the first outermost; whichever says no answers. */
      readonly layers: ReadonlyArray<string>
      /** Set when it is answered with an error, whatever the layers say. */
      readonly refusal?: { readonly code: 400 | 405; readonly message: string }
      readonly isShared: boolean
    }

/** More than this nobody reads. */
const maxNearby = 20

const prefixOf = ({ spec }: DataPlaneService): string => `/apis/${spec.group}/${spec.version}`

const routeOf = ({ service, type, route }: Claim): string =>
  `${route.method} ${type === 'discovery' ? '' : prefixOf(service)}${route.path}`

const refusalOf = (matched: Match): { readonly code: 400 | 405; readonly message: string } | undefined => {
  switch (matched._tag) {
    case 'Claimed':
      return undefined
    case 'OtherMethods':
      return { code: 405, message: `allowed: ${matched.allow.join(', ')}` }
    case 'Ambiguous':
      return { code: 400, message: `the path holds ${matched.fault}` }
  }
}

const explainMatch = (matched: Match, layers: ReadonlyArray<string>): Explanation => {
  const { claim, path } = matched
  const { params, tail } = matched._tag === 'Claimed' ? matched : { params: {}, tail: '' }
  const { backend, pluginID } = claim.service.spec
  const refusal = refusalOf(matched)
  return {
    to: 'us',
    type: claim.type,
    dataPlaneService: claim.service.metadata.name,
    pluginID: backend === undefined ? pluginID : '',
    ...(backend === undefined ? {} : { backend: backend.baseURL }),
    route: routeOf(claim),
    path,
    params: { ...params },
    tail,
    layers,
    ...(refusal === undefined ? {} : { refusal }),
    isShared: claim.route.isShared === true,
  }
}

interface Target {
  readonly group: string
  readonly version: string
}

const targetOf = (url: string): Target | undefined => {
  const [path = ''] = url.split(/[?#]/, 1)
  const [empty, root, group = '', version = ''] = path.split('/')
  return empty === '' && root === 'apis' ? { group, version } : undefined
}

/** Of an object that names the group, and does not serve it: what is wrong with it. */
const excuseFor = ({ rejected, verdicts }: Registry, { group, version }: Target): string => {
  const lost = verdicts.find(
    ({ service, conflicts }) =>
      service.spec.group === group && service.spec.version === version && conflicts.length > 0,
  )
  if (lost !== undefined) return `; "${lost.service.metadata.name}" lost claims: ${describeCauses(lost.conflicts)}`
  const bad = rejected.filter(({ causes }) => causes.length > 0)
  return bad.length === 0
    ? ''
    : `; ${String(bad.length)} objects are rejected: ${bad
        .map(({ origin }) => origin)
        .slice(0, 5)
        .join(', ')}`
}

const explainMiss = (claims: ReadonlyArray<Claim>, registry: Registry, url: string): Explanation => {
  const target = targetOf(url)
  if (target === undefined)
    return { to: 'next', why: 'only paths below /apis/{group}/{version}/ are claimed', nearby: [] }
  const { group, version } = target
  const ofGroup = claims.filter(({ service }) => service.spec.group === group)
  const ofVersion = ofGroup.filter(({ service }) => service.spec.version === version)
  const nearby = (ofVersion.length > 0 ? ofVersion : ofGroup).slice(0, maxNearby).map(routeOf)
  const excuse = excuseFor(registry, target)
  if (ofVersion.length > 0)
    return { to: 'next', why: `no route of "${group}/${version}" has this path${excuse}`, nearby }
  const what = ofGroup.length > 0 ? `version "${version}" of group "${group}"` : `group "${group}"`
  return { to: 'next', why: `no DataPlaneService claims ${what}${excuse}`, nearby }
}

export interface ExplainOptions {
  readonly table: RouteTable
  /** Every claim of the table. */
  readonly claims: ReadonlyArray<Claim>
  readonly registry: Registry
  readonly layers: ReadonlyArray<string>
  /** What the table does not hold: our documents. */
  readonly otherwise?: (method: string, url: string) => Match | undefined
}

/** Says what would become of a request, without sending it anywhere. Pure. `url`: path and query, as in a request line. */
export const explain = (
  { table, claims, registry, layers, otherwise }: ExplainOptions,
  method: string,
  url: string,
): Explanation => {
  const matched = match(table, method, url) ?? otherwise?.(method, url)
  return matched === undefined ? explainMiss(claims, registry, url) : explainMatch(matched, layers)
}
