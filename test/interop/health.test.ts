import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

import test from 'ava'
import express from 'express'

import {
  createServer,
  dataPlaneAggregator,
  inProcess,
  memorySource,
  pluginDirectory,
  pluginHosts,
  staticContexts,
} from '../../src/index.ts'
import { freePort, installPlugin, pluginFolder, prometheus, run, testWith, until } from './_setup.ts'

// Health and metrics of real plugins: a Go plugin, one of 2023, and one that offers neither.
const withGo = testWith('go')
const withPrometheus = testWith('go', 'prometheus')

const manifestOf = (pluginID: string): unknown => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name: `v1.${pluginID}.example.com` },
  spec: {
    pluginID,
    pluginType: 'datasource',
    group: `${pluginID}.example.com`,
    version: 'v1',
    services: [{ type: 'health' }, { type: 'metrics' }, { type: 'settings' }],
  },
})

const ends: Array<() => unknown> = []
let host = ''
test.after.always(async () => {
  for (const end of ends.reverse()) await end()
})

const get = (id: string, path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`http://${host}/apis/${id}.example.com/v1/${path}`, { headers })
const health = async (id: string, uid: string, headers?: Record<string, string>) => {
  const response = await get(id, `namespaces/default/datasources/${uid}/health`, headers)
  return { code: response.status, body: (await response.json()) as { readonly details?: unknown } }
}

const sdks = ['today', 'sdk2023'] as const

withGo('serves health and metrics of plugins', async (t) => {
  const root = pluginFolder()
  installPlugin(root, 'today', 'plugin')
  installPlugin(root, 'sdk2023', 'plugin-sdk2023')
  const aggregator = dataPlaneAggregator({
    source: memorySource([...sdks, 'mute'].map(manifestOf)),
    plugins: pluginHosts(pluginDirectory(root, { startWaitMs: 20_000 }), inProcess({ mute: {} })),
    contexts: staticContexts({
      datasources: [...sdks, 'mute'].flatMap((type) =>
        ['ok', 'error', 'fail'].map((url) => ({
          uid: `${type}-${url}`,
          type,
          url,
          jsonData: { oauthPassThru: true },
          secureJsonData: { password: 'p4ss-word' },
        })),
      ),
    }),
    authenticate: () => ({ name: 'ada', role: 'Editor', tokens: { access: 'of-the-user' } }),
  })
  ends.push(() => aggregator.close())
  await aggregator.ready
  const server = createServer(express().use(aggregator)).listen(0, '127.0.0.1')
  ends.push(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  host = `127.0.0.1:${String((server.address() as AddressInfo).port)}`
  t.pass()
})

for (const id of sdks) {
  withGo(`tells how ${id} finds itself, and the plugin who asks`, async (t) => {
    const { code, body } = await health(id, `${id}-ok`, { 'x-panel-id': '9', authorization: 'Bearer of-the-client' })
    t.is(code, 200)
    t.like(body, { kind: 'HealthCheckResult', apiVersion: `${id}.example.com/v1`, status: 'OK', code: 1 })
    t.like(body.details, {
      context: {
        user: { Login: 'ada', Role: 'Editor' },
        dataSource: { uid: `${id}-ok`, secrets: { password: 'p4ss-word' } },
      },
      headers: { 'http_X-Panel-Id': '9', Authorization: 'Bearer of-the-user' },
    })
    t.deepEqual(await health(id, `${id}-error`), {
      code: 400,
      body: {
        kind: 'HealthCheckResult',
        apiVersion: `${id}.example.com/v1`,
        status: 'ERROR',
        code: 2,
        message: 'the database is down',
        details: { tried: 3 },
      },
    })
    t.like(await health(id, `${id}-fail`), { code: 500, body: { kind: 'Status', code: 500 } })
    t.like(await health(id, 'nobody'), { code: 404, body: { kind: 'Status', code: 404 } })
  })
}

withGo('knows nothing of the health of a plugin that does not say', async (t) => {
  t.like(await health('mute', 'mute-ok'), {
    code: 400,
    body: { status: 'UNKNOWN', message: 'Health check not implemented' },
  })
})

withPrometheus('gives metrics that a Prometheus reads, also of a plugin that has none', async (t) => {
  const response = await get('today', 'plugins/today/metrics')
  t.is(response.status, 200)
  t.is(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  t.regex(await response.text(), /^go_goroutines \d+$/m)

  const root = pluginFolder()
  const config = join(root, 'prometheus.yml')
  const jobs = ['today', 'mute'].map((id) => ({
    job_name: id,
    metrics_path: `/apis/${id}.example.com/v1/plugins/${id}/metrics`,
    static_configs: [{ targets: [host] }],
  }))
  // JSON is YAML
  writeFileSync(config, JSON.stringify({ global: { scrape_interval: '200ms' }, scrape_configs: jobs }))
  const address = `127.0.0.1:${String(await freePort())}`
  const args = [`--config.file=${config}`, `--storage.tsdb.path=${join(root, 'data')}`]
  const child = run(t, prometheus(), [...args, `--web.listen-address=${address}`], { stdio: 'ignore' })
  const valuesOf = async (query: string): Promise<Readonly<Record<string, string>>> => {
    const answer = await fetch(`http://${address}/api/v1/query?query=${query}`).catch(() => undefined)
    if (answer?.ok !== true) return {}
    const { data } = (await answer.json()) as {
      readonly data: { readonly result: ReadonlyArray<{ metric: { job: string }; value: [number, string] }> }
    }
    return Object.fromEntries(data.result.map(({ metric, value }) => [metric.job, value[1]]))
  }
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`prometheus exited with ${String(child.exitCode)}`)
    return Object.keys(await valuesOf('scrape_duration_seconds')).length === 2
  })
  t.deepEqual(await valuesOf('up'), { today: '1', mute: '1' })
  t.regex((await valuesOf('go_goroutines'))['today'] ?? '', /^\d+$/)
})

withGo('tells what is known of a plugin, and no secret of its instances', async (t) => {
  const response = await get('today', 'namespaces/default/settings')
  t.is(response.status, 200)
  const body = await response.text()
  t.like(JSON.parse(body), { id: 'today', name: 'today', type: 'datasource', info: { version: '4.5.6' } })
  t.false(body.includes('p4ss-word'))
})
