import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'

import { createServer, dataPlaneAggregator, memorySource, pluginDirectory, staticContexts } from 'dataplane-aggregator'
import express from 'express'

// What stands behind the proxied path: a service that answers only those who have its password and a key.
const weather = createHttpServer(({ url, headers }, response) => {
  const isKnown = headers.authorization === `Basic ${btoa('reader:rain')}` && headers['x-api-key'] === 'sun'
  response.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify({ url, sky: 'blue' })}\n`)
}).listen(0, '127.0.0.1')
await once(weather, 'listening')

const aggregator = dataPlaneAggregator({
  source: memorySource([
    {
      apiVersion: 'aggregation.grafana.app/v0alpha1',
      kind: 'DataPlaneService',
      metadata: { name: 'v1.weather.example.com' },
      spec: {
        pluginID: 'weather',
        pluginType: 'datasource',
        group: 'weather.example.com',
        version: 'v1',
        services: [{ type: 'datasource-proxy' }],
      },
    },
  ]),
  // The proxy reads the routes in plugin.json and asks no plugin process: this one has no backend at all.
  plugins: pluginDirectory(fileURLToPath(new URL('proxy', import.meta.url))),
  contexts: staticContexts({
    datasources: [
      {
        uid: 'w1',
        type: 'weather',
        url: `http://127.0.0.1:${String((weather.address() as AddressInfo).port)}`,
        basicAuth: true,
        basicAuthUser: 'reader',
        jsonData: { station: 'zugspitze' },
        secureJsonData: { basicAuthPassword: 'rain', apiKey: 'sun' },
      },
    ],
  }),
})
await aggregator.ready

const server = createServer(express().use(aggregator)).listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
const path = '/apis/weather.example.com/v1/namespaces/default/datasources/w1/proxy/v1/forecast?days=2'
console.log(`curl 'http://127.0.0.1:${String(port)}${path}'`)

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    server.close()
    weather.close()
    void aggregator.close()
  })
}
