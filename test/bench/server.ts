import { once } from 'node:events'
import { createServer as createHttpServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { createServer } from 'dataplane-aggregator'
import type { Express } from 'express'

import { makeApp } from './apps.ts'
import type { App, Host } from './case.ts'
import { answerParent } from './child.ts'

const serverOf = (host: Host, app: Express): Server => (host === 'createServer(app)' ? createServer(app) : createHttpServer(app))

/** Serves an app; gives the port on the loopback. */
const start = async (name: App, host: Host): Promise<number> => {
  const server = serverOf(host, await makeApp(name))
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
