import { createServer, dataPlaneAggregator, inProcess, memorySource, staticContexts } from 'dataplane-aggregator'
import express from 'express'

const source = memorySource()
const aggregator = dataPlaneAggregator({
  source,
  plugins: inProcess({
    hello: { queryData: ({ queries }) => ({ responses: Object.fromEntries(queries.map(({ refId }) => [refId, {}])) }) },
  }),
  contexts: staticContexts({ datasources: [{ uid: 'h1', type: 'hello' }] }),
})
const server = createServer(express().use(aggregator)).listen(Number(process.env['PORT'] ?? 3000))

// Objects come and go while it runs; each change is one new routing table, swapped whole. The first of them claims
// POST /apis/hello.example.com/v1/namespaces/default/datasources/h1/query, with {"queries":[{"refId":"A","datasource":{"uid":"h1"}}]}
source.apply({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name: 'v1.hello.example.com' },
  spec: {
    pluginID: 'hello',
    pluginType: 'datasource',
    group: 'hello.example.com',
    version: 'v1',
    services: [{ type: 'query' }],
  },
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    server.close()
    void aggregator.close()
  })
}
