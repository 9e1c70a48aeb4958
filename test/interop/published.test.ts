import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

import test from 'ava'
import express from 'express'

import {
  createServer,
  dataPlaneAggregator,
  memorySource,
  pluginDirectory,
  provisionedContexts,
  type PluginContextProvider,
  type PluginHost,
} from '../../src/index.ts'
import type { PluginContext } from '../../src/plugin.ts'
import { post } from '../_setup/aggregator.ts'
import { recordingLogger } from '../plugins/_setup.ts'
import {
  bad,
  clientOf,
  collect,
  fetchResource,
  good,
  installPublished,
  pluginFolder,
  queryOf,
  resourceOf,
  soon,
  testWith,
  textOf,
} from './_setup.ts'

// A data source and an app as Grafana's generator writes them, with the settings that it provisions for them.
const withPublished = testWith('published')

const datasource = 'acme-interop-datasource'
const app = 'acme-interop-app'
/** Its provisioning gives the data source a name alone. */
const uid = `P${createHash('sha256').update('interop').digest('hex').slice(0, 16)}`.toUpperCase()

const manifestOf = (pluginID: string, pluginType: string): unknown => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name: `v0alpha1.${pluginID}.grafana.app` },
  spec: {
    pluginID,
    pluginType,
    group: `${pluginID}.grafana.app`,
    version: 'v0alpha1',
    services: [{ type: 'query' }, { type: 'admission' }],
  },
})

const logger = recordingLogger()
const ends: Array<() => unknown> = []
let host: PluginHost | undefined
let contexts: PluginContextProvider | undefined
let url = ''

test.after.always(async () => {
  for (const end of ends.reverse()) await end()
})

const urlOf = (id: string, path: string): string => `${url}/apis/${id}.grafana.app/v0alpha1/${path}`

const client = (id: string) => {
  if (host === undefined) throw new Error('no host')
  return clientOf(host, id)
}

/** What the aggregator tells a plugin of its instance. */
const contextOf = async (pluginId: string, ofUid?: string): Promise<PluginContext> => {
  if (contexts === undefined) throw new Error('no settings')
  const pluginType = pluginId === app ? 'app' : 'datasource'
  const request = { pluginId, pluginType, uid: ofUid, namespace: 'default' } as const
  const settings = await good(contexts.getInstanceSettings(request, new AbortController().signal))
  const rest = { pluginVersion: '1.0.0', userAgent: 'Grafana/12.4.0 (linux; amd64)', apiVersion: 'v0alpha1' }
  return { ...settings, ...rest, pluginId, namespace: 'default' }
}

withPublished('serves a data source and an app of the generator, with the settings that it provisions', async (t) => {
  const root = pluginFolder()
  const settings = join(root, 'provisioning')
  mkdirSync(settings)
  cpSync(join(installPublished(root, datasource), 'provisioning/datasources'), settings, { recursive: true })
  cpSync(join(installPublished(root, app), 'provisioning/plugins'), settings, { recursive: true })
  const keyless = { name: 'keyless', uid: 'keyless', type: datasource }
  writeFileSync(join(settings, 'keyless.yml'), JSON.stringify({ apiVersion: 1, datasources: [keyless] }))

  host = pluginDirectory(root, { logger, startWaitMs: 20_000 })
  contexts = provisionedContexts(settings, { logger })
  const aggregator = dataPlaneAggregator({
    source: memorySource([manifestOf(datasource, 'datasource'), manifestOf(app, 'app')]),
    plugins: host,
    contexts,
    logger,
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
  t.is((await good(client(app).checkHealth({ pluginContext: await contextOf(app), headers: {} }, soon()))).status, 'OK')
})

withPublished('answers a query with the frames of the data source', async (t) => {
  const body = {
    from: '1600000000000',
    to: '1600000060000',
    queries: ['A', 'B'].map((refId) => ({ refId, queryText: 'x', datasource: { type: datasource, uid } })),
  }
  const answer = await post(urlOf(datasource, `namespaces/default/connections/${uid}/query`), body)
  t.is(answer.status, 200)
  const frames = (refId: string) => [
    {
      schema: {
        name: 'response',
        refId,
        fields: [
          { name: 'time', type: 'time', typeInfo: { frame: 'time.Time' } },
          { name: 'values', type: 'number', typeInfo: { frame: 'int64' } },
        ],
      },
      data: {
        values: [
          [1_600_000_000_000, 1_600_000_060_000],
          [10, 20],
        ],
      },
    },
  ]
  t.deepEqual(await answer.json(), {
    results: { A: { status: 200, frames: frames('A') }, B: { status: 200, frames: frames('B') } },
  })
})

withPublished('brings its secret to the data source, and no other', async (t) => {
  const ask = async (pluginContext: PluginContext) => {
    const { status, message } = await good(client(datasource).checkHealth({ pluginContext, headers: {} }, soon()))
    return [status, message]
  }
  t.deepEqual(await ask(await contextOf(datasource, uid)), ['OK', 'Data source is working'])
  t.deepEqual(await ask(await contextOf(datasource, 'keyless')), ['ERROR', 'API key is missing'])
  t.deepEqual(await ask(await contextOf(datasource)), ['ERROR', 'data source instance settings cannot be nil'])
})

withPublished('calls the resources of the app', async (t) => {
  const pluginContext = await contextOf(app)
  const ask = async (path: string, method = 'GET', body = '') => {
    const request = resourceOf(app, path, { pluginContext, method, body: Buffer.from(body) })
    const { status, headers, text } = await fetchResource(client(app), request)
    return [status, headers['Content-Type'], text.trim()]
  }
  const plain = ['text/plain; charset=utf-8']
  t.deepEqual(await ask('ping'), [200, ['application/json'], '{"message": "ok"}'])
  t.deepEqual(await ask('echo', 'POST', '{"message":"hällo","n":1}'), [
    200,
    ['application/json'],
    '{"message":"hällo"}',
  ])
  t.deepEqual(await ask('echo'), [405, plain, 'method not allowed'])
  t.like(await ask('echo', 'POST', 'x'), { 0: 400 })
  t.deepEqual(await ask('nothing'), [404, plain, '404 page not found'])
})

withPublished('reads the metrics of either', async (t) => {
  for (const id of [datasource, app]) {
    const { prometheus } = await good(client(id).collectMetrics({ pluginContext: await contextOf(id) }, soon()))
    t.regex(textOf(prometheus), /^go_goroutines \d+$/m)
    t.regex(textOf(prometheus), /^grpc_server_handled_total\{.*grpc_method="CheckHealth".*\} \d+$/m)
  }
})

withPublished('knows what neither of them offers', async (t) => {
  const context = await contextOf(datasource, uid)
  const appContext = await contextOf(app)
  const queries = [queryOf('A', '')]
  const resource = await collect(
    client(datasource).callResource(resourceOf(datasource, 'ping', { pluginContext: context }), soon()),
  )
  const query = await bad(client(app).queryData({ pluginContext: appContext, headers: {}, queries }, soon()))
  t.deepEqual(
    [resource.error, query].map((error) => error?._tag),
    ['NotImplemented', 'NotImplemented'],
  )
  const body = { queries: [{ refId: 'A', datasource: { type: app, uid: 'any' } }], from: 'now-1h', to: 'now' }
  const answer = await post(urlOf(app, 'namespaces/default/query'), body)
  t.is(answer.status, 501)
  t.like(await answer.json(), { kind: 'Status', code: 501 })
})

withPublished('logs as they do, without their secrets', async (t) => {
  const request = { level: 'info', message: 'Plugin Request Completed' } as const
  for (const plugin of [datasource, app]) {
    const line = await logger.find(({ message, fields }) => message === request.message && fields['plugin'] === plugin)
    t.like(line, { ...request, fields: { status: 'ok' } })
  }
  t.false(/"(?:api|secret)-key"/.test(JSON.stringify(logger.lines)))
})
