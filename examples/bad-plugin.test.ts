import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'
import { dataPlaneAggregator, memorySource, pluginDirectory, staticContexts } from 'dataplane-aggregator'
import { writeScriptedPlugin } from 'dataplane-aggregator/testing'
import express from 'express'

import hello from '../fixtures/dataplane-services/hello.json' with { type: 'json' }

test('answers 503 while the plugin cannot start, and tells the operator why', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'plugins-'))
  await writeScriptedPlugin(folder, { id: 'hello', start: { exit: 2, stderr: 'no config\n' } })
  const aggregator = dataPlaneAggregator({
    source: memorySource([hello]),
    plugins: pluginDirectory(folder),
    contexts: staticContexts({ datasources: [{ uid: 'h1', type: 'hello' }] }),
  })
  const server = express().use(aggregator).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.close()
    await aggregator.close()
    await rm(folder, { recursive: true })
  })
  await aggregator.ready
  const address = server.address()
  const port = typeof address === 'object' ? String(address?.port) : ''

  const path = '/apis/hello.example.com/v1/namespaces/default/datasources/h1/query'
  const body = JSON.stringify({ queries: [{ refId: 'A', datasource: { uid: 'h1' } }], from: 'now-1h', to: 'now' })
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body })
  t.is(response.status, 503)
  t.truthy(response.headers.get('retry-after'))
  t.like(aggregator.plugins()[0], { id: 'hello', lastExit: { code: 2, stderr: 'no config\n' } })
})
