import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { connect, type Socket } from 'node:net'

import test, { type ExecutionContext } from 'ava'
import express from 'express'

import { createServer, type DataPlaneAggregator } from '../../src/index.ts'
import { base, listen, makeAggregator, post, queryBody, queryPath, type Made } from '../_setup/aggregator.ts'

const serve = async (t: ExecutionContext, made: Made = {}): Promise<{ aggregator: DataPlaneAggregator; url: URL }> => {
  const aggregator = await makeAggregator(t, made)
  return { aggregator, url: new URL(await listen(t, createServer(express().use(aggregator)))) }
}

const open = async (t: ExecutionContext, url: URL): Promise<Socket> => {
  const socket = connect(Number(url.port), url.hostname)
  t.teardown(() => socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** `once` rejects where the other side resets, which is one way to close. */
const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.once('close', () => {
      resolve()
    })
  })

const text = JSON.stringify(queryBody)
const wire = `POST ${queryPath} HTTP/1.1\r\nhost: x\r\ncontent-length: ${String(text.length)}\r\n\r\n${text}`

/** A plugin whose calls wait until they are aborted, and say when they begin and end. */
const hanging = (): {
  plugin: NonNullable<Made['plugin']>
  begun: (count: number) => Promise<void>
  aborted: (count: number) => Promise<void>
} => {
  const counts = { begun: 0, aborted: 0 }
  const waiting = new Set<() => void>()
  const step = (name: keyof typeof counts): void => {
    counts[name]++
    for (const look of waiting) look()
  }
  const reach = (name: keyof typeof counts, count: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (counts[name] >= count) resolve()
      }
      waiting.add(look)
      look()
    })
  return {
    plugin: {
      queryData: (_request, { signal }) => {
        signal.addEventListener('abort', () => step('aborted'))
        step('begun')
        return new Promise(() => undefined)
      },
    },
    begun: (count) => reach('begun', count),
    aborted: (count) => reach('aborted', count),
  }
}

const bigFrame = Buffer.from(
  JSON.stringify({ schema: { fields: [] }, data: { values: [], pad: 'x'.repeat(30_000_000) } }),
)
const big: NonNullable<Made['plugin']> = {
  queryData: () => ({ responses: { A: { format: 'json', frames: [bigFrame] } } }),
}

test('notices a client that leaves with pipelined requests', async (t) => {
  const { plugin, begun, aborted } = hanging()
  const { aggregator, url } = await serve(t, { plugin, limits: { drainMs: 60_000 } })
  const socket = await open(t, url)
  socket.write(wire + wire + wire)
  await begun(3)
  socket.destroy()
  await aborted(3)
  await aggregator.close()
  t.pass()
})

test('does not serve a client that left before it was its turn', async (t) => {
  const { plugin } = hanging()
  let arrived: () => void = () => undefined
  let pass: () => void = () => undefined
  const waiting = new Promise<void>((resolve) => (arrived = resolve))
  const aggregator = await makeAggregator(t, { plugin, limits: { inFlight: { writes: 1 } } })
  const left = new Promise<void>((resolve) => (pass = resolve))
  const app = express()
    .use(async (request, _response, next) => {
      if (request.headers['x-slow'] !== undefined) {
        arrived()
        await left
      }
      next()
    })
    .use(aggregator)
  const server = createServer(app)
  const url = new URL(await listen(t, server))
  const socket = await open(t, url)
  socket.write(wire.replace('host: x', 'host: x\r\nx-slow: yes'))
  await waiting
  const closed = new Promise<void>((resolve) => {
    const look = (): void => {
      server.getConnections((_error, count) => {
        if (count === 0) resolve()
        else setImmediate(look)
      })
    }
    look()
  })
  socket.destroy()
  await closed
  pass()
  // Its place is free: the next one is called, not told that too many are in flight.
  const next = await post(`${url.origin}${queryPath}`, { queries: [] })
  t.is(next.status, 400)
})

test('keeps the place of a client until it has its answer', async (t) => {
  const limits = { stallMs: 60_000, inFlight: { writes: 1 }, drainMs: 60_000 }
  const { aggregator, url } = await serve(t, { plugin: big, limits })
  const socket = await open(t, url)
  socket.write(wire)
  await once(socket, 'readable')
  t.is((await post(`${url.origin}${queryPath}`, queryBody)).status, 429)
  socket.destroy()
  await aggregator.close()
})

test('cuts a client that takes nothing of its answer', async (t) => {
  const { aggregator, url } = await serve(t, { plugin: big, limits: { stallMs: 50, drainMs: 60_000 } })
  const socket = await open(t, url)
  socket.write(wire)
  await once(socket, 'readable')
  // Within its minute, this resolves only because the client was cut.
  await aggregator.close()
  t.pass()
})

test('cuts what is still being sent when the drain time is over', async (t) => {
  const { aggregator, url } = await serve(t, { plugin: big, limits: { drainMs: 50 } })
  const socket = await open(t, url)
  socket.write(wire)
  await once(socket, 'readable')
  await aggregator.close()
  t.pass()
})

test('waits in close() until a reader has the whole of a large answer', async (t) => {
  const { aggregator, url } = await serve(t, { plugin: big })
  const response = await post(`${url.origin}${queryPath}`, queryBody)
  const closed = aggregator.close()
  const body = await response.text()
  await closed
  t.true(body.endsWith(']}}}\n') || body.endsWith(']}}\n'))
  t.true(body.length > 30_000_000)
})

test('bounds an authorize hook that hangs by the time of the request, and by its client', async (t) => {
  let asked: () => void = () => undefined
  const begun = new Promise<void>((resolve) => (asked = resolve))
  const authorize = (): Promise<boolean> => {
    asked()
    return new Promise(() => undefined)
  }
  const { aggregator, url } = await serve(t, { authorize, limits: { requestTimeoutMs: 50 } })
  t.is((await post(`${url.origin}${queryPath}`, queryBody)).status, 504)
  const socket = await open(t, url)
  socket.write(wire)
  await begun
  socket.destroy()
  await aggregator.close()
})

test('answers 500 when what the host left on the request throws, and lives on', async (t) => {
  const aggregator = await makeAggregator(t)
  const app = express()
    .use((request, _response, next) => {
      Object.defineProperty(request, 'user', {
        get: () => {
          throw new Error('hush')
        },
      })
      next()
    })
    .use(aggregator)
  const url = await listen(t, createHttpServer(app))
  const response = await post(url + queryPath, queryBody)
  t.is(response.status, 500)
  t.notRegex(await response.text(), /hush/)
})

test('cuts an upload that goes on after its refusal', async (t) => {
  const { url } = await serve(t, { limits: { bodyBytes: 1000 } })
  const socket = await open(t, url)
  socket.write(`POST ${queryPath} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n`)
  const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`
  const flood = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  }
  socket.on('drain', flood)
  const answered = once(socket, 'data')
  flood()
  const [answer] = (await answered) as [Buffer]
  t.regex(answer.toString(), /^HTTP\/1\.1 413 /)
  await closed(socket)
})

test('serves the next request of a connection whose body was refused', async (t) => {
  const { url } = await serve(t, { limits: { bodyBytes: 64 } })
  const large = JSON.stringify({ pad: 'x'.repeat(1000) })
  const socket = await open(t, url)
  socket.write(`POST ${queryPath} HTTP/1.1\r\nhost: x\r\ncontent-length: ${String(large.length)}\r\n\r\n${large}`)
  socket.write(`GET ${queryPath} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
  let all = ''
  socket.on('data', (chunk) => (all += String(chunk)))
  await closed(socket)
  t.deepEqual(all.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 413', 'HTTP/1.1 405'])
})

test('asks the authorize hook also while it closes', async (t) => {
  const { plugin, begun } = hanging()
  const made = {
    plugin,
    authorize: ({ path }: { path: string }) => !path.startsWith(`${base}/admission`),
    limits: { drainMs: 50 },
  }
  const { aggregator, url } = await serve(t, made)
  const running = post(`${url.origin}${queryPath}`, queryBody)
  await begun(1)
  const closed = aggregator.close()
  const [refused, forbidden] = await Promise.all([
    post(`${url.origin}${queryPath}`, queryBody),
    post(`${url.origin}${base}/admission/mutate`, {}),
  ])
  t.is(refused.status, 503)
  t.is(forbidden.status, 403)
  await closed
  t.is((await running).status, 503)
})
