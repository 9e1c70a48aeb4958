import { readFileSync, watch } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import {
  dataPlaneAggregator,
  inCluster,
  kubeconfig,
  kubernetesContexts,
  kubernetesSource,
  pluginDirectory,
} from 'dataplane-aggregator'
import express from 'express'
import { Registry } from 'prom-client'

import { logger } from '../apiserver/logger.ts'
import { followFrontProxy, type FrontProxy } from './front-proxy.ts'

const {
  HOST,
  PORT = '8443',
  TLS_DIR = '/etc/dataplane-aggregator/tls',
  PLUGINS_DIR = '/plugins',
  NAMESPACE, // whose datasources are served, and whose Secrets are read; left out: all
  SHUTDOWN_DELAY_MS = '5000',
  KUBERNETES_SERVICE_HOST, // every Pod has it
} = process.env

const certificate = (): { readonly cert: Buffer; readonly key: Buffer } => ({
  cert: readFileSync(join(TLS_DIR, 'tls.crt')),
  key: readFileSync(join(TLS_DIR, 'tls.key')),
})

/** What a Pod starts with, or it ends here: it is started again, and says so again. */
const required = <A>(read: () => A, message: string): A => {
  try {
    return read()
  } catch (error) {
    logger.error(message, { error })
    process.exit(1)
  }
}

const app = express()
const server = createServer(
  {
    ...required(certificate, 'expected tls.crt and tls.key in TLS_DIR'),
    ca: [], // nobody, until it is known who kube-apiserver is
    requestCert: true,
    rejectUnauthorized: false, // kubelet has no certificate, and asks for nothing but /livez and /readyz
  },
  app,
)

let frontProxy: FrontProxy | undefined
let isStopping = false

const api = KUBERNETES_SERVICE_HOST === undefined ? kubeconfig() : inCluster()
const metrics = new Registry()
const aggregator = dataPlaneAggregator({
  source: kubernetesSource(api, { logger }),
  plugins: pluginDirectory(PLUGINS_DIR, { logger }),
  contexts: kubernetesContexts(api, { ...(NAMESPACE === undefined ? {} : { namespace: NAMESPACE }), logger }),
  // Whoever does not come by kube-apiserver is nobody. It calls webhooks without a certificate: for plugins that admit or convert
  // objects, say in `otherwise` of frontProxyUser who may ask them.
  authenticate: (request) => frontProxy?.authenticate(request),
  // kube-apiserver has asked RBAC about the request. But a route of plugin.json may ask for a role of Grafana, which nobody has here.
  authorize: ({ access }) => access === undefined,
  metrics,
  logger,
})

app.use(aggregator)
app.use('/livez', aggregator.livez)
app.use('/readyz', (request, response) => {
  if (isStopping) response.status(503).send('shutting down\n')
  else aggregator.readyz(request, response)
})
app.get('/metrics', async (_request, response) => {
  response.type(metrics.contentType).send(await metrics.metrics())
})
app.use((_request, response) => {
  const message = 'the server could not find the requested resource'
  response
    .status(404)
    .json({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason: 'NotFound', code: 404 })
})
aggregator.upgrade(server)

/** Certificates are replaced while we run, those of kube-apiserver as well as ours. */
const renew = (): void => {
  if (frontProxy === undefined) return
  try {
    server.setSecureContext({ ...certificate(), ca: frontProxy.ca })
  } catch (error) {
    logger.warn('the new certificate cannot be used, the last one stays', { error })
  }
}
// kubelet replaces the whole directory by renaming a link in it
const renewal = watch(TLS_DIR, { persistent: false }, renew).on('error', (error) => {
  logger.warn('TLS_DIR is not watched any more', { error })
})

const following = followFrontProxy(api, logger, (told) => {
  const isFirst = frontProxy === undefined
  frontProxy = told
  renew()
  if (!isFirst || isStopping) return
  server.listen(Number(PORT), HOST, () => {
    console.log(`listening on https://127.0.0.1:${String((server.address() as AddressInfo).port)}`)
  })
})

const hurry = new AbortController()
const stop = async (): Promise<void> => {
  if (isStopping) return hurry.abort() // a second signal waits for nobody
  isStopping = true // readyz fails from now on, and requests still come until everybody knows
  await delay(Number(SHUTDOWN_DELAY_MS), undefined, { signal: hurry.signal }).catch(() => undefined)
  server.close()
  await aggregator.close() // drains, gives the Lease back
  server.closeAllConnections()
  renewal.close()
  await following.close()
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void stop())
