import { badRequest, type AggregatorError, type Result } from './errors.ts'
import { TE } from './fp.ts'
import type { Arrival, HttpAnswer } from './http.ts'
import type { PluginContextProvider, PluginHost } from './plugin.ts'
import type { Match } from './routing/match.ts'
import type { Handle, ServiceRoute } from './service.ts'
import { forwardedNames } from './services/plugin-headers.ts'

/** Request headers that cross the door; the rest stays outside. */
export const requestHeaders: ReadonlyArray<string> = ['content-type', 'accept', ...forwardedNames]

export interface Surroundings {
  /** All layers around the matched route. */
  readonly handle: Handle
  readonly plugins: PluginHost
  readonly contexts: PluginContextProvider
  readonly userAgent: string
  readonly requestTimeoutMs: number
}

const refusing = (matched: Match, error: AggregatorError): ServiceRoute => ({
  ...matched.claim.route,
  handle: () => TE.left(error),
})

/** A refusal is a route like any other: it passes the layers too, so nobody learns of a path that he may not see. */
const routeOf = (matched: Match, method: string): ServiceRoute => {
  switch (matched._tag) {
    case 'Claimed':
      return matched.claim.route
    case 'OtherMethods':
      return refusing(matched, { _tag: 'MethodNotAllowed', method, allow: matched.allow })
    case 'Ambiguous':
      return refusing(matched, badRequest(`the path is ambiguous: it holds ${matched.fault}`))
  }
}

const nothing = { params: {}, tail: '', query: '' }

/**
 * Takes a claimed request through the layers to its service, or to a refusal that stands for it. Needs no server: doors and
 * fixtures call it alike.
 */
export const dispatch =
  ({ handle, plugins, contexts, userAgent, requestTimeoutMs }: Surroundings) =>
  (matched: Match, arrival: Arrival, signal: AbortSignal, refusal?: AggregatorError): Result<HttpAnswer> => {
    const { params, tail, query } = matched._tag === 'Claimed' ? matched : nothing
    const { service, type } = matched.claim
    const request = { ...arrival, path: matched.path, params, tail, query }
    const route = refusal === undefined ? routeOf(matched, arrival.method) : refusing(matched, refusal)
    const { over } = arrival
    const env = { service, type, route, plugins, contexts, userAgent, signal, timeoutMs: requestTimeoutMs, over }
    return handle(request, env)
  }
