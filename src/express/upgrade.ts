import type { IncomingMessage, Server } from 'node:http'
import type { Server as TlsServer } from 'node:https'
import type { Duplex } from 'node:stream'

import { badRequest, toStatus, type AggregatorError } from '../errors.ts'
import type { Exchanges } from './exchange.ts'
import { takeOver, upgradeExchange } from './upgrade-exchange.ts'
import type { Authenticate } from './user.ts'
import { announcesBody, originOf, refusalOf } from './websocket-request.ts'

export interface UpgradeOptions {
  /**
   * Says who asks: no middleware sees an upgrade, so there is no `req.user`. A page can set no headers on a WebSocket: it has
   * cookies, or a token among its protocols, as for Kubernetes (`base64url.bearer.authorization.k8s.io.{token}`). Default:
   * option `authenticate` of the aggregator.
   */
  readonly authenticate?: Authenticate
  /**
   * Whose pages may open WebSockets, beside those of the very host that is asked. Shape: `https://grafana.example.com`.
   * Browsers send cookies along, whatever the page: where users are known by cookies, these origins see all that their
   * visitors may see.
   */
  readonly allowedOrigins?: ReadonlyArray<string>
}

export interface Upgrades {
  /**
   * Takes the upgrade requests of a server whose paths are claimed; whoever else listens for upgrades gets the others. Gives
   * back what ends it. Throws a TypeError when an option is wrong, or nobody says who asks.
   */
  readonly upgrade: (server: Server | TlsServer, options?: UpgradeOptions) => () => void
  /** Ends it for all servers. */
  readonly detach: () => void
}

interface Parts<A> extends Pick<Exchanges<A>, 'take'> {
  readonly match: (method: string, url: string) => A | undefined
  readonly authenticate: Authenticate | undefined
}

type Listener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Listeners of all doors there are: of several on one server, the last takes what nobody claims. */
const ours = new WeakSet<object>()
const taken = new WeakSet<IncomingMessage>()

const refuse = (response: ReturnType<typeof takeOver>['response'], error: AggregatorError): void => {
  const status = toStatus(error)
  const body = Buffer.from(JSON.stringify(status))
  const type = { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' }
  response.writeHead(status.code, { ...type, 'content-length': body.length }).end(body)
}

/** As though nobody listened for upgrades, it is a request like any other; but its body cannot be had any more. */
const handBack = (server: Server | TlsServer, request: IncomingMessage, head: Buffer): void => {
  const { response } = takeOver(request, head)
  if (announcesBody(request)) refuse(response, badRequest('expected no body where an upgrade is asked for'))
  else if (!server.emit('request', request, response)) {
    refuse(response, { _tag: 'NotFound', message: 'the server could not find the requested resource' })
  }
}

const check = (isRight: boolean, message: string): void => {
  if (!isRight) throw new TypeError(message)
}

const toOrigins = (given: ReadonlyArray<string>): ReadonlySet<string> => {
  const wrong = Array.isArray(given)
    ? given.findIndex((text) => typeof text !== 'string' || originOf(text) === undefined)
    : 0
  check(
    wrong === -1,
    `expected option allowedOrigins to be a list of origins such as "https://grafana.example.com", got ${JSON.stringify(given)}`,
  )
  return new Set(given)
}

const isServer = (given: unknown): boolean =>
  typeof given === 'object' && given !== null && typeof Reflect.get(given, 'listeners') === 'function'

/**
 * Claimed upgrades, by the same table and through the same layers as all other requests. What nobody claims is left to the
 * server's other listeners; where there are none, Node would leave the client without an answer for ever.
 */
export const createUpgrades = <A>({ match, take, authenticate: usual }: Parts<A>): Upgrades => {
  const detaches = new Set<() => void>()

  const upgrade: Upgrades['upgrade'] = (server, options = {}) => {
    check(isServer(server), `expected an http.Server or https.Server to take upgrades of, got ${typeof server}`)
    const unknown = Object.keys(options).find((name) => name !== 'authenticate' && name !== 'allowedOrigins')
    check(unknown === undefined, `unknown option ${unknown ?? ''}, known: authenticate, allowedOrigins`)
    const { authenticate = usual, allowedOrigins = [] } = options
    check(
      typeof authenticate === 'function',
      `expected option authenticate to be a function, for no middleware sees an upgrade, got ${typeof authenticate}`,
    )
    const origins = toOrigins(allowedOrigins)

    const listener: Listener = (request, _socket, head) => {
      if (taken.has(request)) return
      const claim = match(request.method ?? '', request.url ?? '')
      if (claim === undefined) {
        const all = server.listeners('upgrade')
        if (all.every((other) => ours.has(other)) && all.at(-1) === listener) handBack(server, request, head)
        return
      }
      taken.add(request)
      const exchange = upgradeExchange(request, head, { authenticate, refusal: refusalOf(request, origins) })
      if (exchange !== undefined) take(claim, exchange)
    }
    const detach = (): void => {
      server.off('upgrade', listener)
      detaches.delete(detach)
    }
    ours.add(listener)
    server.on('upgrade', listener)
    detaches.add(detach)
    return detach
  }
  return {
    upgrade,
    detach: () => {
      for (const detach of detaches) detach()
    },
  }
}
