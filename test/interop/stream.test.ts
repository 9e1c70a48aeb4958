import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'

import test, { type ExecutionContext } from 'ava'
import express from 'express'

import {
  createServer,
  dataPlaneAggregator,
  memorySource,
  pluginDirectory,
  staticContexts,
  type PluginHost,
} from '../../src/index.ts'
import { post } from '../_setup/aggregator.ts'
import {
  clientOf,
  countersOf,
  installPlugin,
  pluginFolder,
  replaceProgram,
  testWith,
  until,
  untilStatus,
} from './_setup.ts'

const withGo = testWith('go')

const plugins = [
  { id: 'today', program: 'plugin' },
  { id: 'sdk2023', program: 'plugin-sdk2023' },
] as const

const root = pluginFolder()
const programs = new Map<string, string>()
const ends: Array<() => unknown> = []
let url = ''
let host: PluginHost | undefined

test.after.always(async () => {
  for (const end of ends.reverse()) await end()
})

const pluginHost = (): PluginHost => {
  if (host === undefined) throw new Error('no host')
  return host
}

const manifestOf = (id: string): unknown => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name: `v0alpha1.${id}.grafana.app` },
  spec: {
    pluginID: id,
    pluginType: 'datasource',
    group: `${id}.grafana.app`,
    version: 'v0alpha1',
    services: [{ type: 'stream' }],
  },
})

const urlOf = (id: string, path: string): string =>
  `${url}/apis/${id}.grafana.app/v0alpha1/namespaces/default/datasources/uid-${id}/stream/${path}`

interface Message {
  /** Of initial data. */
  readonly user?: { readonly Login: string }
  readonly data?: unknown
  /** Of the first packet of a call. */
  readonly seen?: { readonly pid: number; readonly build: string; readonly user: unknown; readonly dataSource: object }
}

/** One who reads JSON lines until the test ends. */
const read = async (t: ExecutionContext, id: string, path: string, user: string) => {
  const client = new AbortController()
  t.teardown(() => {
    client.abort()
  })
  const response = await fetch(urlOf(id, path), {
    headers: { accept: 'application/jsonl', 'x-user': user, 'x-panel-id': '4', authorization: 'Bearer secret' },
    signal: client.signal,
  })
  t.is(response.status, 200)
  if (response.body === null) throw new Error('no body')
  const lines = createInterface({ input: Readable.fromWeb(response.body) })[Symbol.asyncIterator]()
  const next = async (): Promise<Message> => JSON.parse(String((await lines.next()).value)) as Message
  const find = async <A>(pick: (message: Message) => A | undefined): Promise<A> => {
    for (;;) {
      const found = pick(await next())
      if (found !== undefined) return found
    }
  }
  return {
    next,
    nextSeen: () => find(({ seen }) => seen),
    leave: () => {
      client.abort()
    },
  }
}

withGo('serves streams over HTTP', async (t) => {
  for (const { id, program } of plugins) programs.set(id, installPlugin(root, id, program))
  host = pluginDirectory(root, { startWaitMs: 20_000, backoff: { initialMs: 50 }, drainMs: 100 })
  const aggregator = dataPlaneAggregator({
    source: memorySource(plugins.map(({ id }) => manifestOf(id))),
    plugins: host,
    contexts: staticContexts({ datasources: plugins.map(({ id }) => ({ uid: `uid-${id}`, type: id })) }),
  })
  ends.push(() => aggregator.close())
  await aggregator.ready
  const app = express()
  app.use((request, _response, next) => {
    Object.assign(request, { user: { name: request.get('x-user') ?? 'nobody' } })
    next()
  })
  const server = createServer(app.use(aggregator)).listen(0, '127.0.0.1')
  ends.push(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`
  for (const { id } of plugins) t.is((await fetch(urlOf(id, 'missing'))).status, 404)
})

for (const { id } of plugins) {
  withGo(`lets ${id} say who may read, and what`, async (t) => {
    t.is((await fetch(urlOf(id, 'missing'))).status, 404)
    t.is((await fetch(urlOf(id, 'denied'))).status, 403)
    const events = await (await fetch(urlOf(id, 'ends'))).text()
    t.regex(
      events,
      /^data: \{"data":null,.*\n\ndata: \{"n":0\}\n\ndata: \{"n":1\}\n\ndata: \{"n":2\}\n\ndata: \{"schema":/,
    )
    t.true(events.endsWith('\n\nevent: end\ndata: {}\n\n'))
  })

  withGo(`tells ${id} who subscribes, and runs one stream without anybody's identity (S9)`, async (t) => {
    const client = clientOf(pluginHost(), id)
    const before = await countersOf(client, id)
    const readers = await Promise.all(
      ['ada', 'bob', 'ada', 'bob'].map((user) => read(t, id, 'ticks?data=%7B%22a%22%3A1%7D', user)),
    )
    const initial = await Promise.all(readers.map(({ next }) => next()))
    t.deepEqual(
      initial.map(({ user }) => user?.Login),
      ['ada', 'bob', 'ada', 'bob'],
    )
    for (const { data } of initial) t.deepEqual(data, { a: 1 })
    const [first] = readers
    const { user, dataSource } = (await first?.nextSeen()) ?? {}
    t.is(user, null)
    t.like(dataSource, { uid: `uid-${id}` })
    for (const { next } of readers) await next()
    for (const { leave } of readers) leave()
    await until(async () => (await countersOf(client, id)).cancelled > before.cancelled)
    t.is((await countersOf(client, id)).cancelled, before.cancelled + 1)
  })

  withGo(`lets readers read on when ${id} was killed`, async (t) => {
    const reader = await read(t, id, 'ticks', 'ada')
    const { pid } = await reader.nextSeen()
    process.kill(pid, 'SIGKILL')
    t.not((await reader.nextSeen()).pid, pid)
  })

  withGo(`gives what is published on ${id} to its readers`, async (t) => {
    const reader = await read(t, id, 'quiet', 'ada')
    for (let n = 0; n < 5; n++) await reader.next()
    const published = await post(urlOf(id, 'quiet'), { said: 1 })
    t.is(published.status, 200)
    t.deepEqual(await reader.next(), { data: id === 'today' ? { said: 1 } : null, path: 'quiet' })
    t.is((await post(urlOf(id, 'denied'), {})).status, 403)
  })
}

withGo('lets readers read on when the program of a plugin is replaced', async (t) => {
  const reader = await read(t, 'today', 'ticks', 'ada')
  t.is((await reader.nextSeen()).build, '1')
  replaceProgram('plugin-2', programs.get('today') ?? '')
  t.is((await reader.nextSeen()).build, '2')
  await untilStatus(pluginHost(), 'today', ({ state }) => state === 'ready')
})
