import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'

import type { ExecutionContext } from 'ava'
import express, { type Express } from 'express'

import {
  dataPlaneAggregator,
  memorySource,
  pluginDirectory,
  staticContexts,
  type AggregatorOptions,
  type PluginHost,
} from '../../src/index.ts'
import { createAuthority } from './_certificates.ts'
import { installPlugin, pluginFolder } from './_setup.ts'

/** Claims these services of group `interop.example.com`, version `v1`, for the plugin in Go. */
export const manifestOf = (services: ReadonlyArray<object>): unknown => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name: 'v1.interop.example.com' },
  spec: { pluginID: 'interop', pluginType: 'datasource', group: 'interop.example.com', version: 'v1', services },
})

export interface TlsHost {
  /** Shape: `https://localhost:34567`. */
  readonly url: string
  readonly port: number
  /** PEM: signed the server's certificate, which is good for `localhost` and `gateway.default.svc`. */
  readonly ca: string
  readonly plugins: PluginHost
  /** Path of the plugin's executable. */
  readonly program: string
  /** The server leaves its port, and whoever is connected; the aggregator stays. */
  readonly leave: () => Promise<void>
  readonly comeBack: () => Promise<void>
}

interface TlsHostOptions extends Partial<AggregatorOptions> {
  readonly services: ReadonlyArray<object>
  /** PEM: signs the certificates of clients, if they have one. */
  readonly clientCa?: string
  /** Mounts more after the aggregator. */
  readonly next?: (app: Express) => void
}

const closed = async (server: Server): Promise<void> => {
  if (!server.listening) return
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}

/** An Express app over TLS with our aggregator in it, and the plugin in Go behind that. */
export const startTlsHost = async (
  t: Pick<ExecutionContext, 'teardown'>,
  { services, clientCa, next, ...options }: TlsHostOptions,
): Promise<TlsHost> => {
  const root = pluginFolder()
  const program = installPlugin(root, 'interop', 'plugin')
  const plugins = pluginDirectory(root, { startWaitMs: 20_000, backoff: { initialMs: 50 }, drainMs: 100 })
  const aggregator = dataPlaneAggregator({
    source: memorySource([manifestOf(services)]),
    plugins,
    contexts: staticContexts({ datasources: [{ uid: 'one', type: 'interop' }] }),
    registry: false,
    ...options,
  })
  t.teardown(() => aggregator.close())
  const app = express().use(aggregator)
  next?.(app)

  const authority = createAuthority('hosts')
  const certificate = authority.sign('gateway', ['DNS:localhost', 'DNS:gateway.default.svc'])
  const clients = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: false }
  const server = createServer({ ...certificate, ...clients }, app)
  t.teardown(() => closed(server))
  if (options.authenticate !== undefined) aggregator.upgrade(server, { authenticate: options.authenticate })
  const listen = async (port: number): Promise<number> => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const [port] = await Promise.all([listen(0), aggregator.ready])
  return {
    url: `https://localhost:${String(port)}`,
    port,
    ca: authority.cert,
    plugins,
    program,
    leave: () => closed(server),
    comeBack: async () => void (await listen(port)),
  }
}
