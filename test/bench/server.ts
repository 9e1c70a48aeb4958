import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { createServer } from 'dataplane-aggregator'

import { makeApp, startDatasource } from './apps.ts'
import type { App, Host } from './case.ts'
import { answerParent } from './child.ts'

/** Serves an app; gives its port on the loopback. */
const start = async (name: App, host: Host): Promise<number> => {
  if (name === 'datasource, small') return Number(new URL(await startDatasource()).port)
  const app = await makeApp(name)
  const server = host === 'createServer(app)' ? createServer(app) : createHttpServer(app)
  // Connections wait while other servers are measured.
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Time on the processor that this process has taken so far, user and system, us. */
const cpuUs = (): number => {
  const { user, system } = process.cpuUsage()
  return user + system
}

answerParent({ start, cpuUs })
