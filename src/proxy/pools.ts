import { LRUCache } from 'lru-cache'

import type { AggregatorError } from '../errors.ts'
import type { ForwardTransport } from '../forward.ts'
import { E } from '../fp.ts'
import { createConnections, type Gate, type KeptConnections } from './agent.ts'
import { createCarrier } from './carrier.ts'
import type { Destination } from './destination.ts'
import type { Way } from './exchange.ts'
import { readTls } from './tls.ts'

type Protocol = Destination['target']['protocol']

/** The connections of one datasource, as long as its settings stay what they are. */
interface Pool {
  readonly settings: string
  readonly way: (protocol: Protocol) => E.Either<AggregatorError, Way>
  readonly retire: () => void
}

export interface Pools {
  /** How requests of a datasource go. Fails with BadGateway, when its TLS settings cannot be read. */
  readonly way: (transport: ForwardTransport, protocol: Protocol) => E.Either<AggregatorError, Way>
  /** Retires all. */
  readonly clear: () => void
}

const createPool = (transport: ForwardTransport, gate: Gate): Pool => {
  const ways = new Map<Protocol, Way & KeptConnections>()
  return {
    settings: transport.pool.settings,
    way: (protocol) => {
      const known = ways.get(protocol)
      if (known !== undefined) return E.right(known)
      const context = protocol === 'https:' ? readTls(transport.tls) : E.right(undefined)
      return E.map((secureContext: Parameters<typeof createConnections>[1]) => {
        const connections = createConnections(transport, secureContext, gate)
        const way = { ...connections, carry: createCarrier(connections.agent) }
        ways.set(protocol, way)
        return way
      })(context)
    },
    retire: () => {
      for (const { retire } of ways.values()) retire()
    },
  }
}

/**
 * A pool for each datasource that was asked lately. One that is retired, as its settings have changed or it was not used for long,
 * keeps nothing, and lets its requests end.
 */
export const createPools = (maxPools: number, gate: Gate): Pools => {
  const pools = new LRUCache<string, Pool>({
    max: maxPools,
    dispose: (pool) => {
      pool.retire()
    },
  })
  return {
    way: (transport, protocol) => {
      const { owner, settings } = transport.pool
      let pool = pools.get(owner)
      if (pool?.settings !== settings) {
        pool = createPool(transport, gate)
        pools.set(owner, pool)
      }
      return pool.way(protocol)
    },
    clear: () => {
      pools.clear()
    },
  }
}
