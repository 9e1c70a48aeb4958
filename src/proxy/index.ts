import type { lookup } from 'node:dns'
import type { Socket } from 'node:net'

import type { AggregatorError } from '../errors.ts'
import type { Forward, Forwarder } from '../forward.ts'
import { E, TE } from '../fp.ts'
import { createDestinations, type Destination } from './destination.ts'
import { exchange } from './exchange.ts'
import { badGateway, closing, KnownError } from './failure.ts'
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
  const pools = createPools(maxPools, { guard, sockets, isClosed: () => isClosed, lookup })

  const forbidden = ({ host, hostAndPort }: Destination): AggregatorError | undefined =>
    allowedHosts === undefined || allowedHosts.has(hostAndPort)
      ? undefined
      : { _tag: 'Forbidden', message: `option proxy.allowedHosts does not list "${host}" with this port` }

  const forward: Forward = (request, { signal }) => {
    const { method, transport, url } = request
    if (isRefused(method)) return TE.left({ _tag: 'MethodNotAllowed', method, allow: allowedMethods })
    const destination = parseDestination(url)
    if (destination === undefined) return TE.left(unusableUrl)
    const error = forbidden(destination)
    if (error !== undefined) return TE.left(error)
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
