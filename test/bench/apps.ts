import { mkdtempSync, rmSync } from 'node:fs'
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

import { mountBareQuery } from './bare-query.ts'
import { serviceCount, type App } from './case.ts'
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
    services: [{ type: 'query' }, { type: 'admission' }],
  },
})

const mountAggregator = async (app: Express, count: number, plugins: AggregatorOptions['plugins']): Promise<void> => {
  const aggregator = dataPlaneAggregator({
    source: memorySource(Array.from({ length: count }, service)),
    plugins,
    contexts: staticContexts({ datasources: [{ uid: 'b1', type: 'bench' }] }),
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

const mountQuery = (app: Express): Promise<void> => {
  const directory = makeDirectory()
  installPlugin(directory)
  return mountAggregator(app, serviceCount('query'), pluginDirectory(directory))
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
      await mountQuery(app)
      break
  }
  return app
}
