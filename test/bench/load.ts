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

const lastChunk = Buffer.from('\r\n0\r\n\r\n')

/** Follows one answer; says when it is complete. Of a chunked one only the end is looked at: no body here holds it. */
class Answer {
  #head: Buffer = Buffer.alloc(0)
  #end: Buffer = Buffer.alloc(0)
  #missing: number | 'chunked' | undefined

  /** Throws when it is no success. */
  take(bytes: Buffer): boolean {
    if (this.#missing !== undefined) return this.#takeBody(bytes)
    this.#head = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes])
    const endOfHead = this.#head.indexOf(separator)
    if (endOfHead === -1) return false
    const head = this.#head.toString('latin1', 0, endOfHead)
    const length = /content-length: (\d+)/i.exec(head)?.[1]
    const isChunked = /transfer-encoding: chunked/i.test(head)
    if (!head.startsWith('HTTP/1.1 200 ') || (length === undefined && !isChunked))
      throw new Error(`expected status 200 with a length, got ${this.#head.toString()}`)
    this.#missing = isChunked ? 'chunked' : Number(length)
    return this.#takeBody(this.#head.subarray(isChunked ? endOfHead + 2 : endOfHead + separator.length))
  }

  #takeBody(bytes: Buffer): boolean {
    if (this.#missing === 'chunked') {
      this.#end = Buffer.concat([this.#end, bytes.subarray(-lastChunk.length)]).subarray(-lastChunk.length)
      return this.#end.equals(lastChunk)
    }
    this.#missing = (this.#missing ?? 0) - bytes.length
    return this.#missing <= 0
  }
}

/** One connection: sends until the time is over; resolves to the number of answers. */
const drive = (socket: Socket, next: () => Buffer, endMs: number): Promise<number> =>
  new Promise((resolve, reject) => {
    let answer = new Answer()
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
      try {
        if (!answer.take(chunk)) return
      } catch (error) {
        end(() => {
          reject(error instanceof Error ? error : new Error(String(error)))
        })
        return
      }
      answer = new Answer()
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

export interface Reading {
  readonly port: number
  readonly path: string
  readonly readers: number
  readonly durationMs: number
}

/** Server-sent events in what came. Of one that is cut in two, the second half counts. */
const countEvents = (bytes: Buffer): number => {
  let count = 0
  for (let at = bytes.indexOf('\n\n'); at !== -1; at = bytes.indexOf('\n\n', at + 2)) count++
  return count
}

/** Opens readers of a stream, waits until each has heard something, and counts what comes from then on. */
const readEvents = async ({ port, path, readers, durationMs }: Reading): Promise<number> => {
  const request = `GET ${path} HTTP/1.1\r\nhost: bench\r\naccept: text/event-stream\r\n\r\n`
  const sockets = await Promise.all(Array.from({ length: readers }, () => open(port)))
  let count = 0
  const heard = sockets.map(async (socket) => {
    socket.on('data', (bytes: Buffer) => {
      count += countEvents(bytes)
    })
    const first = once(socket, 'data')
    socket.write(request)
    await first
  })
  await Promise.all(heard)
  count = 0
  await new Promise((resolve) => setTimeout(resolve, durationMs))
  for (const socket of sockets) socket.destroy()
  return count
}

export interface Ask {
  readonly port: number
  readonly accept: string
}

/** Time from a query to the first byte of its answer's body, and to the last, ms. */
const firstByte = async ({ port, accept }: Ask): Promise<{ readonly firstMs: number; readonly lastMs: number }> => {
  const [request = Buffer.alloc(0)] = requestsOf('query')
  const startMs = performance.now()
  const body = request.subarray(request.indexOf(separator) + separator.length)
  const path = /^POST (\S+)/.exec(request.toString())?.[1] ?? ''
  const response = await fetch(`http://127.0.0.1:${String(port)}${path}`, { method: 'POST', headers: { accept }, body })
  let firstMs = 0
  if (response.body !== null) {
    for await (const _chunk of response.body) firstMs ||= performance.now() - startMs
  }
  return { firstMs, lastMs: performance.now() - startMs }
}

answerParent({ run, readEvents, firstByte })
