// An ES module host serves one query by the installed package, from a function and from a plugin process, and Node ends by itself
// after close().
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import {
  createServer,
  dataPlaneAggregator,
  inProcess,
  memorySource,
  pluginDirectory,
  staticContexts,
} from 'dataplane-aggregator'
import { writeScriptedPlugin } from 'dataplane-aggregator/testing'
import express from 'express'

const dataPlaneService = {
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
}

setTimeout(() => assert.fail('expected to have ended after 30 s, something is still open'), 30_000).unref()

const path = '/apis/hello.example.com/v1/namespaces/default/datasources/h1/query'
const request = {
  method: 'POST',
  headers: { 'content-type': 'application/json', connection: 'close' },
  body: JSON.stringify({
    queries: [{ refId: 'A', datasource: { type: 'hello', uid: 'h1' } }],
    from: 'now-1h',
    to: 'now',
  }),
}

const folder = await mkdtemp(join(tmpdir(), 'smoke-'))
await writeScriptedPlugin(folder, { id: 'hello', on: { queryData: { answer: { responses: { A: {} } } } } })

const hello = {
  queryData: ({ queries }) => ({ responses: Object.fromEntries(queries.map(({ refId }) => [refId, {}])) }),
}
for (const plugins of [inProcess({ hello }), pluginDirectory(folder)]) {
  const aggregator = dataPlaneAggregator({
    source: memorySource([dataPlaneService]),
    plugins,
    contexts: staticContexts({ datasources: [{ uid: 'h1', type: 'hello' }] }),
  })
  await aggregator.ready
  const server = createServer(express().use(aggregator)).listen(0, '127.0.0.1')
  await once(server, 'listening')

  const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, request)
  const body = await response.json()
  assert.equal(response.status, 200, JSON.stringify(body))
  assert.deepEqual(Object.keys(body.results), ['A'])

  server.close()
  await aggregator.close()
}
await rm(folder, { recursive: true })
