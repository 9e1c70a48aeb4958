// What a TypeScript host writes. It is compiled against the installed package without skipLibCheck, so that every type which
// the package names must come with it.
import { createServer as createHttpServer } from 'node:http'

import {
  createServer,
  dataPlaneAggregator,
  inProcess,
  memorySource,
  type AggregatorOptions,
  type DataPlaneAggregator,
  type ExpressApp,
  type PluginContextProvider,
} from 'dataplane-aggregator'
import { readFixtures, route } from 'dataplane-aggregator/testing'

const options = (contexts: PluginContextProvider): AggregatorOptions => ({
  source: memorySource([]),
  plugins: inProcess({ hello: { queryData: ({ queries }) => ({ responses: { [queries.length]: {} } }) } }),
  contexts,
  logger: console,
})

export const serve = async (app: ExpressApp, contexts: PluginContextProvider): Promise<DataPlaneAggregator> => {
  const aggregator = dataPlaneAggregator(options(contexts))
  await aggregator.ready
  createServer(app).listen(0)
  createHttpServer((request, response) => {
    aggregator(request, response, () => response.writeHead(404).end())
  }).listen(0)
  return aggregator
}

export const fixtures = { readFixtures, route }
