import type { lookup } from 'node:dns'
import type { Socket } from 'node:net'

import type { Forward, Forwarder } from '../forward.ts'
import { E, TE } from '../fp.ts'
import { createDestinations, type Destination } from './destination.ts'
import { exchange } from './exchange.ts'
import { badGateway, closing, forbidden, KnownError } from './failure.ts'
import { sharedLookup } from './lookup.ts'
import { createGuard } from './networks.ts'
import type { ProxySettings } from './options.ts'
import { createPools } from './pools.ts'

export { toProxySettings, type ProxyOptions, type ProxySettings } from './options.ts'

export interface ForwarderOptions extends ProxySettings {
  /** Default: the system's. */
  readonly lookup?: typeof lookup
}

const allowedMethods: ReadonlyArray<string> = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

const unusableUrl = badGateway('has a URL that cannot be used: expected http or https, a host, no user, no fragment')

const unlisted = forbidden('is not listed, with this port, in option proxy.allowedHosts')

/** CONNECT makes a tunnel of the connection, TRACE sends credentials back. */
const isRefused = (method: string): boolean => /^(CONNECT|TRACE)$/i.test(method)

/** Sends requests on over connections that it keeps, to where its options allow. */
export const createForwarder = ({
  maxPools,
  blockedNetworks,
  allowedNetworks,
  allowedHosts,
  lookup,
}: ForwarderOptions): Forwarder => {
  const sockets = new Set<Socket>()
  let isClosed = false
  const parseDestination = createDestinations(maxPools)
  const guard = createGuard(blockedNetworks, allowedNetworks)
  const pools = createPools(maxPools, { guard, sockets, isClosed: () => isClosed, lookup: sharedLookup(lookup) })

  const isListed = ({ hostAndPort }: Destination): boolean =>
    allowedHosts === undefined || allowedHosts.has(hostAndPort)

  const forward: Forward = (request, { signal }) => {
    const { method, transport, url } = request
    if (isRefused(method)) return TE.left({ _tag: 'MethodNotAllowed', method, allow: allowedMethods })
    const destination = parseDestination(url)
    if (destination === undefined) return TE.left(unusableUrl)
    if (!isListed(destination)) return TE.left(unlisted)
    return () => {
      if (isClosed) return Promise.resolve(E.left(closing))
      const way = pools.way(transport, destination.target.protocol)
      return E.isLeft(way) ? Promise.resolve(way) : exchange(request, destination, way.right, signal)
    }
  }
  const close = async (): Promise<void> => {
    isClosed = true
    pools.clear()
    await Promise.all(
      [...sockets].map(
        (socket) =>
          new Promise<void>((resolve) => {
            socket.once('close', () => {
              resolve()
            })
            socket.destroy(new KnownError(closing))
          }),
      ),
    )
  }
  return { forward, close }
}
