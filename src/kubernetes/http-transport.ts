import type { SecureContext } from 'node:tls'

import type { Clock } from '../clock.ts'
import { E } from '../fp.ts'
import type { KubernetesFailure } from '../kubernetes.ts'
import type { Access, Presented } from './access.ts'
import { createConnector } from './connector.ts'
import type { Credentials } from './credentials.ts'
import { exchange, type Answer } from './exchange.ts'
import { cancelled, unreachable } from './failure.ts'
import { createLeash, leashTo, type Leash } from './leash.ts'
import { createPool, type Pool } from './pool.ts'
import type { Opened, OpenRequest, Transport } from './transport.ts'

/** A transport over node:http; TLS and proxies are the connector's, so one way serves both schemes. */
export const createHttpTransport = (access: Access, credentials: Credentials, clock: Clock): Transport => {
  const connector = createConnector(access, clock)
  /** One for each request whose answer has not ended. */
  const leashes = new Set<Leash>()
  let pool: { readonly secureContext: SecureContext | undefined; readonly pool: Pool } | undefined
  let isClosed = false

  const poolFor = ({ secureContext }: Presented): Pool => {
    if (pool === undefined || pool.secureContext !== secureContext) {
      pool?.pool.retire()
      pool = { secureContext, pool: createPool(connector, secureContext) }
    }
    return pool.pool
  }
  const send = (request: OpenRequest, presented: Presented, leash: Leash): Promise<Answer> =>
    exchange(request, presented, { access, connector, pool: poolFor(presented) }, leash)

  const ask = async (request: OpenRequest, leash: Leash): Promise<Answer> => {
    const presented = await leash.race(credentials.current())
    if (E.isLeft(presented)) return presented
    const answer = await send(request, presented.right, leash)
    if (E.isLeft(answer) || answer.right.statusCode !== 401) return answer
    const fresh = await leash.race(credentials.renew(presented.right))
    // nothing else to show: the 401 is the answer
    if (leash.why() === undefined && (E.isLeft(fresh) || fresh.right === presented.right)) return answer
    answer.right.destroy()
    return E.isLeft(fresh) ? fresh : send(request, fresh.right, leash)
  }

  const open = async (request: OpenRequest): Promise<E.Either<KubernetesFailure, Opened>> => {
    if (isClosed) return E.left(cancelled)
    const leash = createLeash()
    const unleash = leashTo(leash, request.signal, cancelled)
    leashes.add(leash)
    const letGo = (): void => {
      unleash()
      leashes.delete(leash)
    }
    const stop = clock.setTimeout(() => {
      leash.pull(unreachable(`the apiserver did not answer within ${String(request.headersTimeoutMs)} ms`))
    }, request.headersTimeoutMs)
    const answer = await ask(request, leash)
    stop()
    if (E.isLeft(answer)) {
      letGo()
      return E.left(leash.why() ?? answer.left)
    }
    const body = answer.right
    body.once('close', letGo)
    leash.onPull(() => {
      body.destroy()
    })
    const why = leash.why()
    if (body.closed) letGo()
    return why === undefined ? E.right({ status: body.statusCode ?? 0, headers: body.headers, body }) : E.left(why)
  }

  return {
    origin: access.server.origin,
    namespace: access.namespace,
    open: (request) => () => open(request),
    close: async () => {
      isClosed = true
      for (const leash of [...leashes]) leash.pull(cancelled)
      await Promise.all([credentials.close(), connector.close()])
    },
  }
}
