import { badRequest, type AggregatorError, type Result } from './errors.ts'
import { TE } from './fp.ts'
import type { Arrival, HttpAnswer } from './http.ts'
import type { Match } from './routing/match.ts'
import type { CallEnv, Handle, ServiceRoute } from './service.ts'
import { resourceHeaderNames } from './services/forwarded-headers.ts'
import { forwardedNames } from './services/plugin-headers.ts'

/** Request headers that cross the door; the rest stays outside. */
export const requestHeaders: ReadonlyArray<string> = [
  ...new Set(['content-type', 'accept', 'user-agent', ...forwardedNames, ...resourceHeaderNames]),
]

/** All that is the same for every request. */
export interface Surroundings extends Pick<
  CallEnv,
  'plugins' | 'contexts' | 'userAgent' | 'forward' | 'streams' | 'forwardedHeaders'
> {
  /** All layers around the matched route. */
  readonly handle: Handle
  readonly requestTimeoutMs: number
}

const refusing = (matched: Match, error: AggregatorError): ServiceRoute => ({
  ...matched.claim.route,
  isLongRunning: () => false,
  handle: () => TE.left(error),
})

/** A refusal is a route like any other: it passes the layers too, so nobody learns of a path that he may not see. */
const routeOf = (matched: Match, { method, upgrade }: Arrival): ServiceRoute => {
  switch (matched._tag) {
    case 'Claimed':
      return upgrade === undefined || matched.claim.route.upgrades === true
        ? matched.claim.route
        : refusing(matched, badRequest('this path cannot be asked for as a WebSocket'))
    case 'OtherMethods':
      return refusing(matched, { _tag: 'MethodNotAllowed', method, allow: matched.allow })
    case 'Ambiguous':
      return refusing(matched, badRequest(`the path is ambiguous: it holds ${matched.fault}`))
  }
}

const nothing = { params: {}, tail: '', query: '' }

/** Of a request that nobody authorized: the layers know who may. */
const mayAccess: CallEnv['mayAccess'] = () => TE.left({ _tag: 'Forbidden', message: 'nobody was asked for leave' })

/**
 * Takes a claimed request through the layers to its service, or to a refusal that stands for it. Needs no server: doors and
 * fixtures call it alike.
 */
export const dispatch =
  ({ handle, requestTimeoutMs, ...surroundings }: Surroundings) =>
  (matched: Match, arrival: Arrival, signal: AbortSignal, refusal?: AggregatorError): Result<HttpAnswer> => {
    const { service, type } = matched.claim
    const { params, tail, query } = matched._tag === 'Claimed' ? matched : nothing
    const route = refusal === undefined ? routeOf(matched, arrival) : refusing(matched, refusal)
    return handle(
      { ...arrival, path: matched.path, params, tail, query },
      {
        ...surroundings,
        service,
        type,
        route,
        signal,
        timeoutMs: requestTimeoutMs,
        over: arrival.over,
        mayAccess,
      },
    )
  }
