import {
  createServer,
  dataPlaneAggregator,
  kubeconfig,
  kubernetesSource,
  pluginDirectory,
  provisionedContexts,
} from 'dataplane-aggregator'
import express from 'express'

const aggregator = dataPlaneAggregator({
  source: kubernetesSource(kubeconfig(), { statusWriter: 'never' }), // the apiserver that kubectl talks to
  plugins: pluginDirectory('examples/plugins'),
  contexts: provisionedContexts('examples/datasources.yml'),
  logger: console, // says what is routed, and why nothing is while that apiserver cannot be reached
})

await aggregator.ready // once it has told of all objects, be it hours
const app = express().use('/readyz', aggregator.readyz).use(aggregator)
const server = createServer(app).listen(Number(process.env['PORT'] ?? 3001), '127.0.0.1')
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    server.close()
    void aggregator.close()
  })
}
