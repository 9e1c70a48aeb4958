import { request as httpRequest, type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'

import { E } from '../fp.ts'
import type { KubernetesFailure } from '../kubernetes.ts'
import type { Access, Presented } from './access.ts'
import type { Connector } from './connector.ts'
import { isReset, toUnreachable, unreachable } from './failure.ts'
import type { Leash } from './leash.ts'
import type { Pool } from './pool.ts'
import type { OpenRequest } from './transport.ts'

export type Answer = E.Either<KubernetesFailure, IncomingMessage>

/** How one request goes. */
export interface Way {
  readonly access: Access
  readonly connector: Connector
  readonly pool: Pool
}

const nothing = (): void => undefined

const headersOf = (
  { server, headers }: Access,
  { method, contentType = 'application/json' }: OpenRequest,
  body: Buffer | undefined,
  { authorization }: Presented,
): OutgoingHttpHeaders => ({
  host: server.host,
  'user-agent': 'dataplane-aggregator',
  ...headers,
  accept: 'application/json',
  'accept-encoding': 'identity',
  ...(authorization === undefined ? {} : { authorization }),
  ...(body === undefined ? {} : { 'content-type': contentType, 'content-length': body.length }),
  ...(body === undefined && method !== 'GET' ? { 'content-length': 0 } : {}),
})

const targetOf = ({ server }: Access, { path, query }: OpenRequest): string => {
  const text = query?.toString() ?? ''
  return `${server.pathname.replace(/\/+$/, '')}${path}${text === '' ? '' : `?${text}`}`
}

/**
 * One request up to the headers of its answer. A kept connection that the server has closed meanwhile is no failure of a GET: it is sent
 * once more. Never rejects; what comes after the answer, good or bad, concerns the body alone.
 */
export const exchange = (
  request: OpenRequest,
  presented: Presented,
  { access, connector, pool }: Way,
  leash: Leash,
): Promise<Answer> =>
  new Promise((resolve) => {
    const body = request.body === undefined ? undefined : Buffer.from(request.body)
    let mayRepeat = request.method === 'GET'
    let isOver = false
    let out: ClientRequest | undefined

    const end = (answer: Answer): void => {
      if (isOver) return
      isOver = true
      forget()
      if (E.isLeft(answer)) out?.destroy()
      resolve(answer)
    }
    const attempt = (): void => {
      const made = httpRequest({
        method: request.method,
        // only names a connection in the pool: where it leads is the connector's knowledge
        host: access.server.hostname,
        path: targetOf(access, request),
        headers: headersOf(access, request, body, presented),
        setHost: false,
        ...(request.isStreamed === true
          ? {
              createConnection: (_options, onSocket) =>
                connector.connect(presented.secureContext, (error, socket) => {
                  if (socket !== undefined) onSocket(null, socket)
                  // the type of it wants a socket, even where there is none; a request without one cannot be destroyed with an error
                  else Reflect.apply(onSocket, undefined, [error])
                }),
            }
          : { agent: pool.agent }),
      })
      out = made
      made
        .on('response', (response) => {
          response.on('error', nothing)
          if (isOver) response.destroy()
          else end(E.right(response))
        })
        .on('error', (cause) => {
          if (isOver || out !== made) return
          if (mayRepeat && made.reusedSocket && isReset(cause)) {
            mayRepeat = false
            // the one that was used last is dead: so are those that wait longer
            pool.closeIdle()
            attempt()
            return
          }
          end(E.left(toUnreachable(cause)))
        })
        // such as an upgrade that nobody asked for: no answer, and no error
        .on('close', () => {
          if (out === made) end(E.left(unreachable('the apiserver closed the connection before it answered')))
        })
        .end(body)
    }
    const why = leash.why()
    if (why !== undefined) {
      resolve(E.left(why))
      return
    }
    const forget = leash.onPull((pulled) => {
      end(E.left(pulled))
    })
    try {
      attempt()
    } catch {
      // a path or a header that Node would not write
      end(E.left(unreachable('the request has a path or a header that cannot be sent')))
    }
  })
