import type { DataPlaneService } from '../../src/api/dataplane-service.ts'
import { match, type Match } from '../../src/routing/match.ts'
import { compile, verdictsOf, type RouteTable } from '../../src/routing/table.ts'
import { serviceDefinitions } from '../../src/services/index.ts'
import { service, type Made } from '../api/manifests.ts'
import { noFrames } from '../services/serve.ts'

/** The real definitions; nothing is encoded here. */
export const definitions = serviceDefinitions(noFrames)

export const tableOf = (...services: ReadonlyArray<DataPlaneService>): RouteTable => compile(services, definitions)

/** Shape: `routes('GET /a/{id}', '/files/*')`; without a method: any. */
export const routes = (...texts: ReadonlyArray<string>): ReadonlyArray<unknown> =>
  texts.map((text) => {
    const [path, method] = text.split(' ').toReversed()
    return { type: 'route', path, ...(method === undefined ? {} : { method }) }
  })

export const routed = (texts: ReadonlyArray<string>, made?: Made): DataPlaneService => service(routes(...texts), made)

/** What a request is matched to, in a line. Shapes: `next`, `POST /admission/mutate`, `405 GET, HEAD`, `400 a dot segment`. */
export const tell = (matched: Match | undefined): string => {
  switch (matched?._tag) {
    case undefined:
      return 'next'
    case 'Claimed':
      return `${matched.claim.route.method} ${matched.claim.route.path.replace('/namespaces/{namespace}', '')}`
    case 'OtherMethods':
      return `405 ${matched.allow.join(', ')}`
    case 'Ambiguous':
      return `400 ${matched.fault}`
  }
}

export const base = '/apis/p.example.com/v1'

export const ask = (table: RouteTable, method: string, path: string): string => tell(match(table, method, base + path))

/** Lost claims, in a line each, in no particular order. Shape: `b spec.services[0]: GET /x is claimed by DataPlaneService "a"`. */
export const conflictsOf = (table: RouteTable): ReadonlyArray<string> =>
  verdictsOf(table)
    .flatMap(({ service: { metadata }, conflicts }) =>
      conflicts.map(({ field, message }) => `${metadata.name} ${field}: ${message}`),
    )
    .toSorted()
