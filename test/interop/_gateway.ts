import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'

import type { ExecutionContext } from 'ava'

/** What may befall those who talk through it. */
export interface Gateway {
  readonly url: string
  /** Ends each watch in the middle of the line that comes next, with a reset. */
  readonly cutNextLines: () => void
  /** Ends every connection now, and refuses new ones until told otherwise. */
  readonly refuse: (isRefusing: boolean) => void
  /** Passes nothing on until told otherwise; nobody is told. */
  readonly silence: (isSilent: boolean) => void
  /** Watches that are open. */
  readonly watchCount: () => number
  /** Requests so far: `GET /apis/…?…`. */
  readonly seen: ReadonlyArray<string>
}

export interface GatewayOptions {
  /** Of the apiserver: `https://127.0.0.1:6443`. */
  readonly url: string
  readonly ca: string
  readonly token: string
}

/** Between replicas and a real apiserver, in plain HTTP, so that a line can be cut where it hurts. */
export const startGateway = async (
  t: Pick<ExecutionContext, 'teardown'>,
  { url: target, ca, token }: GatewayOptions,
): Promise<Gateway> => {
  const watches = new Set<ServerResponse>()
  const doomed = new Set<ServerResponse>()
  const held: Array<() => void> = []
  const seen: string[] = []
  let isRefusing = false
  let isSilent = false

  const whenHeard = (step: () => void): void => {
    if (isSilent) held.push(step)
    else step()
  }

  const pass = (asked: IncomingMessage, answer: ServerResponse): void => {
    const isWatch = asked.url?.includes('watch=') === true
    const headers = { ...asked.headers, authorization: `Bearer ${token}` }
    const upstream = request(`${target}${asked.url ?? ''}`, { method: asked.method, ca, headers }, (given) => {
      answer.writeHead(given.statusCode ?? 502, given.headers)
      answer.flushHeaders()
      if (isWatch) watches.add(answer)
      given.on('data', (chunk: Buffer) => {
        whenHeard(() => {
          if (!doomed.delete(answer)) answer.write(chunk)
          else answer.write(chunk.subarray(0, chunk.length >> 1), () => answer.destroy())
        })
      })
      given.on('end', () => {
        whenHeard(() => answer.end())
      })
      given.on('error', () => answer.destroy())
    })
    upstream.on('error', () => answer.destroy())
    answer.on('close', () => {
      watches.delete(answer)
      doomed.delete(answer)
      upstream.destroy()
    })
    asked.pipe(upstream)
  }

  const server = createServer((asked, answer) => {
    seen.push(`${asked.method ?? ''} ${asked.url ?? ''}`)
    if (isRefusing) asked.socket.destroy()
    else whenHeard(() => pass(asked, answer))
  }).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    cutNextLines: () => {
      for (const answer of watches) doomed.add(answer)
    },
    refuse: (wanted) => {
      isRefusing = wanted
      if (wanted) server.closeAllConnections()
    },
    silence: (wanted) => {
      isSilent = wanted
      if (!wanted) for (const step of held.splice(0)) step()
    },
    watchCount: () => watches.size,
    seen,
  }
}
