import { setInterval } from 'node:timers/promises'

import { createServer, dataPlaneAggregator, inProcess, memorySource, staticContexts } from 'dataplane-aggregator'
import { EventSource } from 'eventsource'
import express from 'express'

const now = () => Buffer.from(JSON.stringify({ time: new Date() }))

const aggregator = dataPlaneAggregator({
  source: memorySource([
    {
      apiVersion: 'aggregation.grafana.app/v0alpha1',
      kind: 'DataPlaneService',
      metadata: { name: 'v1.clock.example.com' },
      spec: {
        pluginID: 'clock',
        pluginType: 'datasource',
        group: 'clock.example.com',
        version: 'v1',
        services: [{ type: 'stream' }],
      },
    },
  ]),
  plugins: inProcess({
    clock: {
      // Asked for each reader, with his identity: what it answers is the first that he reads.
      subscribeStream: ({ path }) => (path === 'seconds' ? { status: 'OK', data: now() } : { status: 'NOT_FOUND' }),
      // Called once for all readers, without anybody's identity; left when the last one is gone for a while.
      runStream: async function* () {
        for await (const _ of setInterval(1000)) yield { data: now() }
      },
    },
  }),
  contexts: staticContexts({ datasources: [{ uid: 'c1', type: 'clock' }] }),
})
await aggregator.ready

const port = process.env['PORT'] ?? '3000'
const server = createServer(express().use(aggregator)).listen(Number(port), '127.0.0.1')
// The same path as a WebSocket; a real host looks for a cookie, or for a token among the protocols that are offered.
aggregator.upgrade(server, { authenticate: () => ({ name: 'anybody' }) })
const path = '/apis/clock.example.com/v1/namespaces/default/datasources/c1/stream/seconds'

// It connects anew whenever it loses the connection, but need not when the plugin has ended the stream.
const reader = new EventSource(`http://127.0.0.1:${port}${path}`)
reader.addEventListener('message', ({ data }) => console.log(data))
reader.addEventListener('end', () => reader.close())

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    reader.close()
    server.close()
    void aggregator.close()
  })
}
