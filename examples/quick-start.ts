import {
  createServer,
  dataPlaneAggregator,
  fileSource,
  pluginDirectory,
  provisionedContexts,
} from 'dataplane-aggregator'
import express from 'express'

const aggregator = dataPlaneAggregator({
  source: fileSource('examples/dataplaneservices'), // what to route: DataPlaneService manifests, reloaded as they change
  plugins: pluginDirectory('examples/plugins'), // who answers: Grafana backend plugins, run as processes
  contexts: provisionedContexts('examples/datasources.yml'), // with what settings: Grafana's provisioning format
})

const app = express()
app.use(aggregator) // first in the request path
app.use((_request, response) => void response.send('the apiserver that you already have\n'))

await aggregator.ready
const server = createServer(app).listen(Number(process.env['PORT'] ?? 3000))
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    server.close()
    void aggregator.close()
  })
}
