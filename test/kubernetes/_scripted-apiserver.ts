import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

import type { ExecutionContext } from 'ava'

/** A request that waits for its answer. */
export interface Asked {
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly isWatch: boolean
  /** Resolves when its connection is gone. */
  readonly gone: Promise<void>
  /** A whole answer, JSON unless it is a text. */
  answer(status: number, body: unknown, headers?: Record<string, string>): void
  /** The head of a watch; more by `send`. */
  begin(): void
  /** Bytes of a watch, as they are: a text, or events, a line each. */
  send(...what: ReadonlyArray<string | Buffer | object>): void
  /** A clean end. */
  end(): void
  /** The connection breaks. */
  reset(): void
}

export interface ScriptedApiserver {
  readonly url: string
  /** The next request that nobody took yet, in the order of arrival. */
  next(): Promise<Asked>
  /** All of them so far. */
  readonly requests: ReadonlyArray<Asked>
  /** Answers that are under way. */
  readonly open: () => number
  /** Most of them at one time. */
  readonly mostOpen: () => number
  readonly sockets: () => number
}

const toBytes = (what: string | Buffer | object): string | Buffer =>
  typeof what === 'string' || Buffer.isBuffer(what) ? what : `${JSON.stringify(what)}\n`

const toAsked = (request: IncomingMessage, response: ServerResponse): Asked => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://apiserver')
  const begin = (): void => {
    if (response.headersSent) return
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
  }
  return {
    path: pathname,
    query: Object.fromEntries(searchParams),
    isWatch: searchParams.has('watch'),
    gone: new Promise((resolve) => response.once('close', resolve)),
    answer: (status, body, headers = {}) => {
      const isText = typeof body === 'string'
      response.writeHead(status, { 'content-type': isText ? 'text/plain' : 'application/json', ...headers })
      response.end(isText ? body : JSON.stringify(body))
    },
    begin,
    send: (...what) => {
      begin()
      response.write(Buffer.concat(what.map((one) => Buffer.from(toBytes(one)))))
    },
    end: () => {
      begin()
      response.end()
    },
    reset: () => {
      request.socket.destroy()
    },
  }
}

/** A real server whose every answer the test gives, and may cut anywhere. */
export const scriptedApiserver = async (t: ExecutionContext): Promise<ScriptedApiserver> => {
  const requests: Array<Asked> = []
  const waiting: Array<Asked> = []
  const takers: Array<(asked: Asked) => void> = []
  const sockets = new Set<Socket>()
  let open = 0
  let mostOpen = 0
  const server = createServer((request, response) => {
    open += 1
    mostOpen = Math.max(mostOpen, open)
    // given out whole, or broken off: `close` alone may come after the client's next request
    let isOpen = true
    const count = (): void => {
      if (isOpen) open -= 1
      isOpen = false
    }
    response.once('finish', count)
    response.once('close', count)
    const asked = toAsked(request, response)
    requests.push(asked)
    const take = takers.shift()
    if (take === undefined) waiting.push(asked)
    else take(asked)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    next: () => {
      const asked = waiting.shift()
      return asked === undefined ? new Promise((resolve) => takers.push(resolve)) : Promise.resolve(asked)
    },
    requests,
    open: () => open,
    mostOpen: () => mostOpen,
    sockets: () => sockets.size,
  }
}

/** An object of the collection that the tests follow. */
export const dps = (name: string, resourceVersion: number, uid = `uid-${name}`, extra: object = {}) => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name, uid, resourceVersion: String(resourceVersion), ...extra },
  spec: {},
})

export const event = (type: 'ADDED' | 'MODIFIED' | 'DELETED', object: object) => ({ type, object })

export const bookmark = (resourceVersion: number, isMarker = false) => ({
  type: 'BOOKMARK',
  object: {
    apiVersion: 'aggregation.grafana.app/v0alpha1',
    kind: 'DataPlaneService',
    metadata: {
      resourceVersion: String(resourceVersion),
      ...(isMarker && { annotations: { 'k8s.io/initial-events-end': 'true' } }),
    },
  },
})

export const status = (code: number, reason: string, details: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Status',
  metadata: {},
  status: 'Failure',
  message: `says ${reason}`,
  reason,
  code,
  details,
})

export const failure = (code: number, reason: string) => ({ type: 'ERROR', object: status(code, reason) })

export const listOf = (resourceVersion: number, items: ReadonlyArray<object>, continueToken = '') => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneServiceList',
  metadata: { resourceVersion: String(resourceVersion), continue: continueToken },
  items,
})
