import { mkdtempSync, rmSync } from 'node:fs'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import {
  dataPlaneAggregator,
  inProcess,
  memorySource,
  pluginDirectory,
  staticContexts,
  type AggregatorOptions,
} from 'dataplane-aggregator'
import express, { type Express } from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'

import { mountBareQuery, mountBareResource, mountBareStream } from './bare-calls.ts'
import { serviceCount, type App } from './case.ts'
import { startChild } from './child.ts'
import { installPlugin } from './plugin-directory.ts'
import { readBody } from './read-body.ts'
import { groupOf } from './requests.ts'

const service = (_: unknown, index: number): unknown => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name: `v1.${groupOf(index)}` },
  spec: {
    pluginID: 'bench',
    pluginType: 'datasource',
    group: groupOf(index),
    version: 'v1',
    services: ['query', 'admission', 'route', 'stream', 'datasource-proxy'].map((type) => ({ type })),
  },
})

const mountAggregator = async (
  app: Express,
  count: number,
  plugins: AggregatorOptions['plugins'],
  url = '',
): Promise<void> => {
  const aggregator = dataPlaneAggregator({
    source: memorySource(Array.from({ length: count }, service)),
    plugins,
    contexts: staticContexts({ datasources: [{ uid: 'b1', type: 'bench', url }] }),
  })
  app.use(aggregator)
  await aggregator.ready
}

const answersAtOnce = inProcess({ bench: { queryData: () => ({ responses: { A: {} } }) } })

/** What `answersAtOnce` comes to. */
const emptyAnswer = Buffer.from('{"results":{"A":{"status":200}}}\n')

const mountHello = (app: Express): void => {
  const hello = Buffer.from('{"kind":"Deployment","apiVersion":"apps/v1"}')
  app.use((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(hello)
  })
}

const mountOwnHandler = (app: Express): void => {
  app.use((request, response) => {
    readBody(request, () => {
      response.setHeader('content-type', 'application/json')
      response.end(emptyAnswer)
    })
  })
}

const makeDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'dataplane-bench-'))
  process.on('exit', () => {
    rmSync(directory, { recursive: true, force: true })
  })
  return directory
}

const installed = (settings: Readonly<Record<string, string>> = {}): AggregatorOptions['plugins'] => {
  const directory = makeDirectory()
  installPlugin(directory)
  return pluginDirectory(directory, { settings: { bench: settings } })
}

/** A datasource in a process of its own; gives its URL. */
export const startDatasource = async (): Promise<string> => {
  const port = (await startChild('./datasource.ts').call('start')) as number
  return `http://127.0.0.1:${String(port)}`
}

/** What a path below `proxy/` comes to without this library. */
const mountBareProxy = async (app: Express): Promise<void> => {
  const agent = new Agent({ keepAlive: true })
  const pathRewrite = { '^.*/proxy/': '/' }
  app.use(createProxyMiddleware({ target: await startDatasource(), agent, changeOrigin: true, pathRewrite }))
}

/** An Express app, ready to serve what its name says. */
export const makeApp = async (name: App): Promise<Express> => {
  const app = express()
  switch (name) {
    case 'no aggregator':
      mountHello(app)
      break
    case 'aggregator':
      await mountAggregator(app, serviceCount(name), answersAtOnce)
      mountHello(app)
      break
    case 'own handler':
      mountOwnHandler(app)
      break
    case '1 service':
    case '100 services':
    case '10000 services':
      await mountAggregator(app, serviceCount(name), answersAtOnce)
      break
    case 'bare gRPC call':
      await mountBareQuery(app, makeDirectory())
      break
    case 'query':
    case 'resource, 1 MB':
      await mountAggregator(app, 1, installed())
      break
    case 'stream':
      await mountAggregator(app, 1, installed())
      break
    case 'bare stream':
      await mountBareStream(app, makeDirectory())
      break
    case 'large query':
      await mountAggregator(app, 1, installed({ rows: '100000' }))
      break
    case 'bare resource, 1 MB':
      await mountBareResource(app, makeDirectory())
      break
    case 'bare proxy, small':
    case 'bare proxy, 1 MB':
      await mountBareProxy(app)
      break
    case 'proxy, small':
    case 'proxy, 1 MB':
      await mountAggregator(app, 1, inProcess({ bench: {} }), await startDatasource())
      break
    case 'datasource, small':
      break
  }
  return app
}
