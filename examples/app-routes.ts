import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

import { createServer, dataPlaneAggregator, inProcess, memorySource, staticContexts } from 'dataplane-aggregator'
import express from 'express'

const csv = { 'Content-Type': ['text/csv'] }
const days = ['Monday', 'Tuesday', 'Wednesday']

/** The first message says status and headers; each one goes out when it is there, and the next is made when the client has taken it. */
async function* report(id: string) {
  yield { headers: csv, body: Buffer.from('report,day,visits\n') }
  for (const [index, day] of days.entries()) {
    await new Promise(setImmediate) // a row from a database
    yield { body: Buffer.from(`${id},${day},${String(100 * (index + 1))}\n`) }
  }
}

const list = { body: Buffer.from(JSON.stringify({ reports: ['weekly', 'daily'] })) }

const aggregator = dataPlaneAggregator({
  source: memorySource([
    {
      apiVersion: 'aggregation.grafana.app/v0alpha1',
      kind: 'DataPlaneService',
      metadata: { name: 'v1.reports.example.com' },
      spec: {
        pluginID: 'reports-app',
        pluginType: 'app',
        group: 'reports.example.com',
        version: 'v1',
        services: [
          { type: 'route', method: 'GET', path: '/reports/{id}' },
          { type: 'route' }, // resources/*
        ],
      },
    },
  ]),
  plugins: inProcess({
    'reports-app': {
      // `path` is what stands behind the namespace, or behind its `resources`
      callResource: ({ path }) => {
        const id = /^reports\/(\w+)$/.exec(path)?.[1]
        if (id !== undefined) return report(id)
        return path === 'list' ? [list] : [{ status: 404 }]
      },
    },
  }),
  contexts: staticContexts({}),
})
await aggregator.ready

const server = createServer(express().use(aggregator)).listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
const namespace = `http://127.0.0.1:${String(port)}/apis/reports.example.com/v1/namespaces/default`
console.log(`curl ${namespace}/reports/weekly`)
console.log(`curl ${namespace}/resources/list`)

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    server.close()
    void aggregator.close()
  })
}
