import { once } from 'node:events'
import { createServer as createBareServer, get, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import {
  apiServer,
  createServer,
  dataPlaneAggregator,
  inProcess,
  kubernetesSource,
  memorySource,
  staticContexts,
} from 'dataplane-aggregator'
import express from 'express'

import { answerParent } from './child.ts'

/** Processes of the benchmark of many replicas: the apiserver, a replica, and the least that follows a watch. */

const base = '/apis/aggregation.grafana.app/v0alpha1/dataplaneservices'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

const listen = async (server: Server): Promise<string> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`
}

/** Our own registry, over memory. */
const serveRegistry = async (): Promise<string> => {
  const aggregator = dataPlaneAggregator({
    source: memorySource(),
    plugins: inProcess({ bench: {} }),
    contexts: staticContexts({}),
  })
  await aggregator.ready
  return listen(createServer(express().use(aggregator)))
}

/** Answers the health of every object that the apiserver keeps. */
const serveReplica = async (url: string): Promise<string> => {
  const aggregator = dataPlaneAggregator({
    source: kubernetesSource(apiServer(url), { statusWriter: 'never' }),
    plugins: inProcess({ bench: { checkHealth: () => ({ status: 'OK' }) } }),
    contexts: staticContexts({ datasources: [{ uid: 'one', type: 'bench' }] }),
  })
  await aggregator.ready
  return listen(createServer(express().use(aggregator)))
}

/** A Map of parsed lines: what it holds is 200, the rest 404. */
const serveBare = async (url: string): Promise<string> => {
  const objects = new Map<string, unknown>()
  let rest = ''
  get(`${url}${base}?watch=true&resourceVersion=0`, { agent: false }, (response) => {
    response.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const { type, object } = JSON.parse(line) as { type: string; object: { spec: { group: string } } }
        if (type === 'DELETED') objects.delete(object.spec.group)
        else objects.set(object.spec.group, object)
      }
    })
  })
  return listen(
    createBareServer((request: IncomingMessage, response) => {
      response.statusCode = objects.has(request.url?.split('/')[2] ?? '') ? 200 : 404
      response.end()
    }),
  )
}

answerParent({
  registry: serveRegistry,
  replica: serveReplica,
  bare: serveBare,
  heapBytes: () => {
    gc()
    return process.memoryUsage().heapUsed
  },
  cpuMs: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
})
