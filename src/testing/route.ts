import { parseDataPlaneService } from '../api/validation.ts'
import type { StatusCause } from '../api/status.ts'
import { encodeFrame, encodeQueryData } from '../frames/index.ts'
import { E } from '../fp.ts'
import { match } from '../routing/match.ts'
import { compile, verdictsOf, type RouteTable } from '../routing/table.ts'
import { serviceDefinitions } from '../services/index.ts'

/** What becomes of a request, as plain data to compare. */
export type RouteDecision =
  /** Nobody claims it: it goes to `next()`. */
  | { readonly to: 'next' }
  | {
      readonly to: 'plugin'
      readonly dataPlaneService: string
      readonly type: string
      readonly pluginID: string
      readonly params: Readonly<Record<string, string | undefined>>
      readonly tail: string
    }
  | { readonly to: 'refusal'; readonly code: 400 | 405; readonly dataPlaneService: string; readonly detail: string }

/** A table of objects as written in manifests. Throws an Error that names object and fields when one of them is invalid or conflicts. */
export const tableOf = (services: Iterable<unknown>): RouteTable => {
  const fail = (index: number, causes: ReadonlyArray<StatusCause>): never => {
    throw new Error(
      `services[${String(index)}]: ${causes.map(({ field, message }) => `${field}: ${message}`).join('; ')}`,
    )
  }
  const parsed = [...services].map((service, index) => {
    const result = parseDataPlaneService(service)
    return E.isLeft(result) ? fail(index, result.left) : result.right
  })
  const table = compile(parsed, serviceDefinitions({ encodeQueryData, encodeFrame }))
  for (const { service, conflicts } of verdictsOf(table)) {
    if (conflicts.length > 0) fail(parsed.indexOf(service), conflicts)
  }
  return table
}

/**
 * Says who would answer a request, with no server, no plugin and no clock. Shape:
 * `route(services, 'POST', '/apis/p.grafana.app/v1/namespaces/default/datasources/p1/query')` is
 * `{ to: 'plugin', dataPlaneService: 'v1.p.grafana.app', type: 'query', pluginID: 'p', params: { namespace: 'default', uid: 'p1' }, tail: '' }`.
 */
export const route = (services: Iterable<unknown>, method: string, url: string): RouteDecision => {
  const matched = match(tableOf(services), method, url)
  if (matched === undefined) return { to: 'next' }
  const { service, type } = matched.claim
  const dataPlaneService = service.metadata.name
  switch (matched._tag) {
    case 'Claimed':
      return {
        to: 'plugin',
        dataPlaneService,
        type,
        pluginID: service.spec.pluginID,
        params: { ...matched.params },
        tail: matched.tail,
      }
    case 'OtherMethods':
      return { to: 'refusal', code: 405, dataPlaneService, detail: `allowed: ${matched.allow.join(', ')}` }
    case 'Ambiguous':
      return { to: 'refusal', code: 400, dataPlaneService, detail: `the path holds ${matched.fault}` }
  }
}
