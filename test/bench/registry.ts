import { once } from 'node:events'
import { Agent, request, type IncomingMessage, type RequestOptions, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pathToFileURL } from 'node:url'

import { createServer, dataPlaneAggregator, inProcess, memorySource, staticContexts } from 'dataplane-aggregator'
import express, { type Express } from 'express'

import type { Case } from './case.ts'
import { readBody } from './read-body.ts'

/**
 * The REST API of 10,000 objects beside the least that any server has to do for it: ready objects in a Map, JSON.parse, JSON.stringify,
 * one line to each response. Both are servers of this process, asked in turn over loopback; the client's part weighs on both alike.
 */

const objectCount = 10_000
const watcherCount = 100
const base = '/apis/aggregation.grafana.app/v0alpha1/dataplaneservices'
const table = 'application/json;as=Table;g=meta.k8s.io;v=v1'
const nameOf = (index: number): string => `v1.g${String(index).padStart(5, '0')}.example.com`

const objectOf = (_: unknown, index: number) => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name: nameOf(index) },
  spec: {
    pluginID: 'bench',
    pluginType: 'datasource',
    group: `g${String(index)}.example.com`,
    version: 'v1',
    services: ['query', 'admission', 'health'].map((type) => ({ type })),
  },
})

interface Answer {
  readonly status: number
  readonly text: string
}

const agent = new Agent({ keepAlive: true })

const open = (port: number, options: RequestOptions, body?: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    request({ agent, host: '127.0.0.1', port, ...options }, resolve)
      .on('error', reject)
      .end(body)
  })

const ask = async (port: number, options: RequestOptions, body?: string): Promise<Answer> => {
  const response = await open(port, options, body)
  const chunks: Buffer[] = []
  response.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(response, 'end')
  const answer = { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }
  if (answer.status >= 300) throw new Error(`${String(options.path)}: ${answer.text.slice(0, 300)}`)
  return answer
}

const listen = async (app: Express): Promise<readonly [Server, number]> => {
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return [server, (server.address() as AddressInfo).port]
}

/** Objects in a Map, and watchers in a Set. */
const bareApp = (objects: Map<string, ReturnType<typeof objectOf>>): Express => {
  const watchers = new Set<ServerResponse>()
  const app = express()
  app.use((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost')
    const name = pathname.slice(base.length + 1)
    const send = (value: unknown): void => {
      response.setHeader('content-type', 'application/json')
      response.end(Buffer.from(JSON.stringify(value)))
    }
    if (searchParams.has('watch')) {
      watchers.add(response)
      response.on('close', () => watchers.delete(response))
      response.flushHeaders()
    } else if (request.method === 'PATCH') {
      readBody(request, (body) => {
        const old = objects.get(name)
        const patch = body as Partial<ReturnType<typeof objectOf>>
        if (old === undefined) return
        const next = { ...old, ...patch, metadata: { ...old.metadata, ...patch.metadata } }
        objects.set(name, next)
        const line = Buffer.from(`${JSON.stringify({ type: 'MODIFIED', object: next })}\n`)
        for (const watcher of watchers) watcher.write(line)
        send(next)
      })
    } else {
      const limit = Number(searchParams.get('limit') ?? objects.size)
      send({ items: [...objects.values()].slice(0, limit) })
    }
  })
  return app
}

const timed = async (run: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now()
  await run()
  return performance.now() - begun
}

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN

/** The median of the ratios of rounds, each made of two runs that follow each other, in turns. */
const ratioOf = async (of: () => Promise<unknown>, to: () => Promise<unknown>, rounds: number): Promise<number> => {
  const ratios: number[] = []
  for (let round = -2; round < rounds; round++) {
    const ofFirst = round % 2 === 0
    const first = await timed(ofFirst ? of : to)
    const second = await timed(ofFirst ? to : of)
    if (round >= 0) ratios.push(ofFirst ? first / second : second / first)
  }
  return median(ratios)
}

const get = (port: number, query: string, accept = 'application/json'): Promise<Answer> =>
  ask(port, { path: `${base}${query}`, headers: { accept } })

let turn = 0
const patch =
  (port: number, count: number, contentType: string, toBody: (name: string, value: string) => string) =>
  async (): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const name = nameOf((turn * 7919) % objectCount)
      const path = `${base}/${name}?fieldManager=bench${contentType.includes('apply') ? '&force=true' : ''}`
      await ask(port, { method: 'PATCH', path, headers: { 'content-type': contentType } }, toBody(name, String(++turn)))
    }
  }

const labelled = (_name: string, value: string): string => JSON.stringify({ metadata: { labels: { turn: value } } })
const applied = (name: string, value: string): string =>
  JSON.stringify({
    apiVersion: 'aggregation.grafana.app/v0alpha1',
    kind: 'DataPlaneService',
    metadata: { name, labels: { turn: value } },
  })

/** Many watchers; `all` resolves when each of them has read so many more lines. */
const startWatchers = async (port: number): Promise<{ all: (count: number) => Promise<void>; stop: () => void }> => {
  let seen = 0
  let wake = (): void => undefined
  const agent = new Agent({ maxSockets: Infinity })
  const path = `${base}?watch=true&resourceVersion=${await revisionOf(port)}`
  const responses = await Promise.all(Array.from({ length: watcherCount }, () => open(port, { path, agent })))
  for (const response of responses) {
    response.on('data', (chunk: Buffer) => {
      for (const byte of chunk) if (byte === 10) seen++
      wake()
    })
    response.on('error', () => undefined)
  }
  return {
    all: (count) =>
      new Promise((resolve) => {
        const wanted = seen + count * watcherCount
        wake = () => {
          if (seen >= wanted) resolve()
        }
      }),
    stop: () => {
      agent.destroy()
    },
  }
}

const revisionOf = async (port: number): Promise<string> => {
  const { text } = await get(port, '?limit=1')
  const { metadata } = JSON.parse(text) as { metadata?: { resourceVersion?: string } }
  return metadata?.resourceVersion ?? ''
}

const fanOf = async (port: number, changes: number): Promise<{ run: () => Promise<void>; stop: () => void }> => {
  const { all, stop } = await startWatchers(port)
  const write = patch(port, changes, 'application/merge-patch+json', labelled)
  return {
    run: async () => {
      const seen = all(changes)
      await write()
      await seen
    },
    stop,
  }
}

/** Bytes of heap that one object takes, beyond what the same objects take as parsed JSON. */
const heapUsed = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

export const registryCases = async (rounds: number): Promise<ReadonlyArray<Case>> => {
  const cases: Case[] = []
  const add = (name: string, ratio: number, of: string, to: string): void => void cases.push({ name, ratio, of, to })
  const before = heapUsed()
  const objects = new Map(Array.from({ length: objectCount }, objectOf).map((object) => [object.metadata.name, object]))
  const bareHeap = heapUsed() - before
  const source = memorySource(objects.values())
  const aggregator = dataPlaneAggregator({
    source,
    plugins: inProcess({ bench: {} }),
    contexts: staticContexts({}),
    authorize: () => true,
  })
  await aggregator.ready
  const ourHeap = heapUsed() - before - bareHeap
  const [bareServer, bare] = await listen(bareApp(objects))
  const [server, ours] = await listen(express().use(aggregator))
  const few = Math.max(4, Math.floor(rounds / 3))
  try {
    add(
      'heap of 10,000 objects, stored and routed',
      ourHeap / bareHeap,
      'heap of a memory source and an aggregator',
      'heap of the objects as parsed JSON',
    )
    const stringified = 'time of an Express app that stringifies ready objects'
    for (const [name, query, accept] of [
      ['list of 10,000', '', 'application/json'],
      ['list of 10,000 as a Table', '', table],
      ['page of 500 of 10,000', '?limit=500', 'application/json'],
    ] as const) {
      const ratio = await ratioOf(
        () => get(ours, query, accept),
        () => get(bare, query),
        few,
      )
      add(name, ratio, `time of ${name}`, stringified)
    }
    for (const [name, contentType, toBody] of [
      ['merge patch among 10,000', 'application/merge-patch+json', labelled],
      ['server-side apply among 10,000', 'application/apply-patch+yaml', applied],
    ] as const) {
      const ratio = await ratioOf(patch(ours, 50, contentType, toBody), patch(bare, 50, contentType, toBody), few)
      add(name, ratio, `time of a ${name}`, 'time of an Express app that merges into a Map')
    }
    const [ourFan, bareFan] = [await fanOf(ours, 20), await fanOf(bare, 20)]
    add(
      'a change told to 100 watchers',
      await ratioOf(ourFan.run, bareFan.run, few),
      'time until 100 watches have read a change',
      'time until 100 responses have read a line that is written to each',
    )
    ourFan.stop()
    bareFan.stop()
    const swaps: number[] = []
    for (let i = 0; i < 30; i++) {
      const object = objectOf(undefined, i * 7)
      source.apply({ ...object, spec: { ...object.spec, pluginID: `bench${String(i)}` } })
      const begun = performance.now()
      await Promise.resolve()
      await Promise.resolve()
      swaps.push(performance.now() - begun)
    }
    add(
      'rebuild after a change among 10,000, of 5 ms',
      median(swaps) / 5,
      'time from a change of the source to the new table',
      '5 ms',
    )
    return cases
  } finally {
    agent.destroy()
    for (const each of [server, bareServer]) {
      each.close()
      each.closeAllConnections()
    }
    await aggregator.close()
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  for (const { name, ratio } of await registryCases(12)) process.stdout.write(`${ratio.toFixed(2)}  ${name}\n`)
