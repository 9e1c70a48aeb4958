import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { answerParent } from './child.ts'

/** What stands behind the proxied paths: a small answer, and one of 1 MB. */
const bodies = new Map([
  ['/small', Buffer.from('{"status":"success","data":{"resultType":"vector","result":[]}}')],
  ['/large', Buffer.alloc(1_048_576, 'x')],
])

const start = async (): Promise<number> => {
  const server = createServer((request, response) => {
    const body = bodies.get(request.url?.split('?', 1)[0] ?? '')
    response.statusCode = body === undefined ? 404 : 200
    response.setHeader('content-type', 'application/json')
    response.setHeader('content-length', body?.length ?? 0)
    response.end(body)
  })
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

answerParent({ start })
