import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import type { ExecutionContext } from 'ava'

import {
  dataPlaneAggregator,
  inProcess,
  memorySource,
  staticContexts,
  type AggregatorOptions,
  type DataPlaneAggregator,
} from '../../src/index.ts'

export const manifest = (services: ReadonlyArray<unknown> = [{ type: 'query' }, { type: 'admission' }]): unknown => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name: 'v1.hello.example.com' },
  spec: { pluginID: 'hello', pluginType: 'datasource', group: 'hello.example.com', version: 'v1', services },
})

export const base = '/apis/hello.example.com/v1'
export const queryPath = `${base}/namespaces/default/datasources/h1/query`
export const queryBody = {
  queries: [{ refId: 'A', datasource: { type: 'hello', uid: 'h1' } }],
  from: 'now-1h',
  to: 'now',
}

type Plugin = Parameters<typeof inProcess>[0][string]

export interface Made extends Partial<AggregatorOptions> {
  readonly plugin?: Plugin
  readonly manifests?: ReadonlyArray<unknown>
}

/** An aggregator over one in-process plugin `hello` and one datasource `h1`, closed when the test ends. */
export const makeAggregator = async (t: ExecutionContext, made: Made = {}): Promise<DataPlaneAggregator> => {
  const { plugin = { queryData: () => ({ responses: { A: {} } }) }, manifests = [manifest()], ...options } = made
  const aggregator = dataPlaneAggregator({
    source: memorySource(manifests),
    plugins: inProcess({ hello: plugin }),
    contexts: staticContexts({ datasources: [{ uid: 'h1', type: 'hello' }] }),
    ...options,
  })
  t.teardown(() => aggregator.close())
  await aggregator.ready
  return aggregator
}

/** Listens on a free port of the loopback; gives the base URL. */
export const listen = async (t: ExecutionContext, server: Server): Promise<string> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`
}

export const post = (url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  })
