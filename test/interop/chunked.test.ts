import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

import test from 'ava'
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
import { recordingLogger } from '../plugins/_setup.ts'
import { parseEvents } from '../services/event-stream.ts'
import { clientOf, countersOf, curl, installPlugin, pluginFolder, testWith, until } from './_setup.ts'

const withGo = testWith('go')
const withCurl = testWith('go', 'curl')

/** A plugin that writes chunks, and one whose SDK knows of none. */
const programs = [
  ['today', 'plugin'],
  ['sdk2023', 'plugin-sdk2023'],
] as const
const accepted = ['text/event-stream', 'application/jsonl'] as const

const ends: Array<() => unknown> = []
let url = ''
let host: PluginHost | undefined

test.after.always(async () => {
  for (const end of ends.reverse()) await end()
})

const counters = (id: string) => {
  if (host === undefined) throw new Error('no host')
  return countersOf(clientOf(host, id), id)
}

const manifestOf = (id: string): unknown => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name: `v1.${id}.example.com` },
  spec: {
    pluginID: id,
    pluginType: 'datasource',
    group: `${id}.example.com`,
    version: 'v1',
    services: [{ type: 'query' }],
  },
})

const urlOf = (id: string): string => `${url}/apis/${id}.example.com/v1/namespaces/default/datasources/uid-${id}/query`

const bodyOf = (id: string, queries: ReadonlyArray<object>): string =>
  JSON.stringify({
    from: '1600000000000',
    to: '1600000060000',
    queries: queries.map((query) => ({ refId: 'A', datasource: { type: id, uid: `uid-${id}` }, ...query })),
  })

const query = (id: string, queries: ReadonlyArray<object>, accept: string): Promise<Response> =>
  post(urlOf(id), bodyOf(id, queries), { accept })

interface Frame {
  readonly schema: object
  readonly data: Readonly<Record<string, Array<unknown> | undefined>> & { readonly values: Array<Array<unknown>> }
}
interface Result {
  readonly status: number
  readonly error?: string
  readonly errorSource?: string
  readonly frames: ReadonlyArray<Frame>
}
interface Chunk extends Omit<Result, 'frames'> {
  readonly refId: string
  readonly frameId?: string
  readonly frame?: Partial<Frame> & Pick<Frame, 'data'>
}

const textsOf = (text: string, accept: (typeof accepted)[number]): ReadonlyArray<string> =>
  accept === 'application/jsonl' ? text.split('\n').slice(0, -1) : parseEvents(text).map(({ data }) => data)

/** What a client makes of chunks: those of one frame are its rows. */
const join = (chunks: ReadonlyArray<Chunk>): Record<string, Result> => {
  const results: Record<string, Result & { readonly byId: Map<string, Frame> }> = {}
  for (const { refId, frameId = '', frame, ...told } of chunks) {
    const { byId = new Map<string, Frame>(), ...before } = results[refId] ?? {}
    const known = byId.get(frameId)
    if (frame?.schema !== undefined && known === undefined)
      byId.set(frameId, { data: frame.data, schema: frame.schema })
    else for (const [index, values] of (frame?.data.values ?? []).entries()) known?.data.values[index]?.push(...values)
    results[refId] = { ...before, ...told, frames: [...byId.values()], byId }
  }
  return Object.fromEntries(Object.entries(results).map(([refId, { byId: _byId, ...result }]) => [refId, result]))
}

const lastOf = (text: string): string => text.split('\n').findLast((line) => line !== '') ?? ''

withGo('serves chunks over HTTP', async (t) => {
  const root = pluginFolder()
  for (const [id, program] of programs) installPlugin(root, id, program)
  host = pluginDirectory(root, { logger: recordingLogger(), startWaitMs: 20_000, backoff: { initialMs: 50 } })
  const aggregator = dataPlaneAggregator({
    source: memorySource(programs.map(([id]) => manifestOf(id))),
    plugins: host,
    contexts: staticContexts({ datasources: programs.map(([id]) => ({ uid: `uid-${id}`, type: id })) }),
  })
  ends.push(() => aggregator.close())
  await aggregator.ready
  const server = createServer(express().use(aggregator)).listen(0, '127.0.0.1')
  ends.push(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`
  for (const [id] of programs) t.is((await query(id, [{ queryType: 'no-frames' }], '*/*')).status, 200)
})

for (const [id] of programs) {
  for (const accept of accepted) {
    withGo(`carries the same frames of ${id} as ${accept} as in one answer`, async (t) => {
      const queries = ['A', 'B'].map((refId) => ({ refId, queryType: 'parts', maxDataPoints: 2500 }))
      const whole = (await (await query(id, queries, 'application/json')).json()) as { results: Record<string, Result> }
      const response = await query(id, queries, accept)
      t.is(response.status, 200)
      const texts = textsOf(await response.text(), accept)
      // every type in one chunk, and twice three of a thousand rows at most; or each frame whole
      t.is(texts.length, id === 'today' ? 14 : 6)
      const { results } = whole
      t.is(results['A']?.frames[1]?.data.values[0]?.length, 2500)
      t.deepEqual(join(texts.map((text) => JSON.parse(text) as Chunk)), results)
    })
  }
}

withGo('tells errors of a query and of the whole call', async (t) => {
  const errorOf = async (id: string, queryType: string) =>
    JSON.parse(lastOf(await (await query(id, [{ queryType }], 'text/jsonl')).text())) as unknown
  const busy = { refId: 'A', error: 'the database is busy', errorSource: 'plugin', status: 429 }
  t.deepEqual(await errorOf('today', 'plain-error'), busy)
  t.like(await errorOf('sdk2023', 'partial'), { refId: 'A', error: 'only half of it', status: 504 })
  // it fails when four chunks are out
  t.like(await errorOf('today', 'fail'), { kind: 'Status', code: 500 })
  const failed = await query('sdk2023', [{ queryType: 'fail' }], 'text/event-stream')
  t.is(failed.status, 500)
  t.like(await failed.json(), { kind: 'Status', code: 500 })
})

withCurl('shows curl each event when it comes, and tells today when curl has left', async (t) => {
  const before = (await counters('today')).cancelled
  const args = [
    '-sN',
    '-H',
    'Accept: text/event-stream',
    '-d',
    bodyOf('today', [{ queryType: 'slow' }]),
    urlOf('today'),
  ]
  const child = spawn(curl(), args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  let text = ''
  // it writes four, and then waits for its caller to leave
  for await (const piece of child.stdout.setEncoding('utf8')) {
    text += String(piece)
    if (parseEvents(text).length === 4) break
  }
  t.is((await counters('today')).cancelled, before)
  child.kill('SIGKILL')
  await until(async () => (await counters('today')).cancelled > before)
  t.is((await counters('today')).cancelled, before + 1)
})
