// One of several replicas: an Express app whose objects are kept by an apiserver, and whose plugins are its own. Its argument: see
// ReplicaOptions. It says its URL in one line, ends on SIGTERM as a host in a cluster should, and with its standard input.
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { AddressInfo } from 'node:net'

import {
  createServer,
  dataPlaneAggregator,
  kubeconfig,
  kubernetesSource,
  pluginDirectory,
  staticContexts,
  type KubernetesApi,
} from 'dataplane-aggregator'
import express from 'express'
import { Registry } from 'prom-client'

import { systemClock, type Clock } from '../../src/clock.ts'

export interface ReplicaOptions {
  readonly kubeconfig: string
  readonly plugins: string
  readonly identity: string
  /** So many times faster than others' goes the clock of its connections. */
  readonly speed: number
}

const { kubeconfig: path, plugins, identity, speed } = JSON.parse(process.argv[2] ?? '') as ReplicaOptions

const startMs = Date.now()
const clock: Clock = {
  now: () => startMs + (Date.now() - startMs) * speed,
  setTimeout: (callback, delayMs) => systemClock.setTimeout(callback, delayMs / speed),
}
const api: KubernetesApi = {
  connect: (options) => kubeconfig(path).connect(speed === 1 ? options : { ...options, clock }),
}
const metrics = new Registry()
const aggregator = dataPlaneAggregator({
  source: kubernetesSource(api, { lease: { namespace: 'default', identity } }),
  plugins: pluginDirectory(plugins),
  contexts: staticContexts({ datasources: [{ uid: 'one', type: 'interop' }] }),
  metrics,
})

let isStopping = false
const app = express()
app.get('/table', (_request, response) => {
  response.json(
    Object.fromEntries(
      aggregator
        .registry()
        .verdicts.map(({ service: { metadata } }) => [metadata.name, [metadata.uid, metadata.generation]]),
    ),
  )
})
app.get('/metrics', async (_request, response) => void response.send(await metrics.metrics()))
app.get('/readyz', (request, response) => {
  if (isStopping) response.sendStatus(500)
  else aggregator.readyz(request, response)
})
app.use(aggregator)
const server = createServer(app).listen(0, '127.0.0.1')
await once(server, 'listening')
process.stdout.write(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}\n`)

process.on('SIGTERM', () => {
  isStopping = true
  // whoever sends requests here is to hear of it first
  void delay(1000).then(async () => {
    const closed = once(server, 'close')
    server.close()
    await aggregator.close()
    await closed
    process.exit(0)
  })
})
process.stdin.on('close', () => process.exit(1)).resume()
