import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'

import {
  createServer,
  dataPlaneAggregator,
  fileSource,
  pluginDirectory,
  provisionedContexts,
} from 'dataplane-aggregator'
import express from 'express'

import { kubeAggregator } from './kube-aggregator.ts'
import { logger } from './logger.ts'

const examples = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

const aggregator = dataPlaneAggregator({
  source: fileSource(process.argv[2] ?? examples('dataplaneservices')), // kubectl writes here
  plugins: pluginDirectory(examples('plugins'), { logger }),
  contexts: provisionedContexts(examples('datasources.yml'), { logger }),
  logger,
})

const app = express()
app.use(aggregator) // first in the request path
app.use('/livez', aggregator.livez)
app.use('/readyz', aggregator.readyz)
app.use(kubeAggregator) // whatever nobody claims arrives here, untouched

const server = createServer(app)
await aggregator.ready
server.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${String(port)}`
  const path = '/apis/testdata.grafana.app/v0alpha1/namespaces/default/connections/example/query'
  console.log(`listening on ${url}`)
  console.log(`curl -X POST -d @examples/datasource-query.json ${url}${path}`)
})

const stop = async (): Promise<void> => {
  server.close()
  await aggregator.close()
  server.closeAllConnections()
}
// npm passes a Ctrl-C on that came here already
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void stop())
