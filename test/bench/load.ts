import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

import type { App } from './case.ts'
import { answerParent } from './child.ts'
import { requestsOf } from './requests.ts'

/**
 * The load: keep-alive connections that each send a request when the answer to the last is there. Written by hand on sockets, since
 * on two cores a client library would take the server's time.
 */
export interface Load {
  readonly app: App
  readonly connections: number
  readonly port: number
  readonly durationMs: number
}

export interface LoadResult {
  readonly requests: number
  readonly elapsedMs: number
}

const separator = Buffer.from('\r\n\r\n')

/** Length of the answer that the bytes begin with; undefined while its head is not complete. Throws when it is no success. */
const lengthOf = (bytes: Buffer): number | undefined => {
  const endOfHead = bytes.indexOf(separator)
  if (endOfHead === -1) return undefined
  const head = bytes.toString('latin1', 0, endOfHead)
  const length = /content-length: (\d+)/i.exec(head)?.[1]
  if (!head.startsWith('HTTP/1.1 200 ') || length === undefined)
    throw new Error(`expected status 200 with a length, got ${bytes.toString()}`)
  return endOfHead + separator.length + Number(length)
}

/** One connection: sends until the time is over; resolves to the number of answers. */
const drive = (socket: Socket, next: () => Buffer, endMs: number): Promise<number> =>
  new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0)
    let count = 0
    const end = (settle: () => void): void => {
      socket.off('data', take).off('close', lose)
      settle()
    }
    const lose = (): void => {
      end(() => {
        reject(new Error('the server has closed the connection'))
      })
    }
    const take = (chunk: Buffer): void => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
      try {
        const length = lengthOf(received)
        if (length === undefined || received.length < length) return
      } catch (error) {
        end(() => {
          reject(error instanceof Error ? error : new Error(String(error)))
        })
        return
      }
      received = Buffer.alloc(0)
      count++
      if (performance.now() < endMs) socket.write(next())
      else
        end(() => {
          resolve(count)
        })
    }
    socket.on('data', take).on('close', lose)
    socket.write(next())
  })

const pools = new Map<number, Socket[]>()

const open = async (port: number): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket
}

const run = async ({ app, connections, port, durationMs }: Load): Promise<LoadResult> => {
  const sockets = pools.get(port) ?? []
  pools.set(port, sockets)
  while (sockets.length < connections) sockets.push(await open(port))
  const requests = requestsOf(app)
  let index = 0
  const next = (): Buffer => requests[index++ % requests.length] ?? Buffer.alloc(0)
  const startMs = performance.now()
  const counts = await Promise.all(
    sockets.slice(0, connections).map((socket) => drive(socket, next, startMs + durationMs)),
  )
  return { requests: counts.reduce((sum, count) => sum + count, 0), elapsedMs: performance.now() - startMs }
}

answerParent({ run })
