import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'

import test from 'ava'
import express from 'express'

import {
  createServer,
  dataPlaneAggregator,
  fileSource,
  pluginDirectory,
  provisionedContexts,
  type PluginHost,
} from '../../src/index.ts'
import {
  clientOf,
  contextOf,
  curl,
  fetchResource,
  freePort,
  good,
  installPlugin,
  pluginFolder,
  prometheus,
  resourceOf,
  run,
  soon,
  testWith,
  until,
} from './_setup.ts'

const withAll = testWith('go', 'prometheus', 'curl')

const root = pluginFolder()
const write = (name: string, text: string): string => {
  const path = join(root, name)
  writeFileSync(path, text)
  return path
}

/** As in the upstream documentation of the data plane aggregator. */
const manifest = `apiVersion: aggregation.grafana.app/v0alpha1
kind: DataPlaneService
metadata:
  name: v0alpha1.prometheus.grafana.app
spec:
  pluginID: prometheus
  pluginType: datasource
  group: prometheus.grafana.app
  version: v0alpha1
  services:
    - type: query
`

const ends: Array<() => unknown> = []
let host: PluginHost | undefined
let prometheusUrl = ''
let queryUrl = ''

test.after.always(async () => {
  for (const end of ends.reverse()) await end()
})

interface Frame {
  readonly schema: {
    readonly meta: { readonly type: string; readonly executedQueryString: string }
    readonly fields: ReadonlyArray<{ readonly type: string; readonly labels?: Readonly<Record<string, string>> }>
  }
  readonly data: { readonly values: ReadonlyArray<ReadonlyArray<number>> }
}
interface Answer {
  readonly results: Readonly<
    Record<string, { readonly status: number; readonly error?: string; readonly frames: ReadonlyArray<Frame> }>
  >
}

/** Asks with the words of the upstream documentation. */
const ask = async (queries: ReadonlyArray<object>, from = 'now-1h') => {
  const datasource = { type: 'prometheus', uid: 'example' }
  const body = {
    queries: queries.map((query) => ({ datasource, intervalMs: 15_000, maxDataPoints: 969, ...query })),
    from,
    to: 'now',
  }
  const file = write('datasource-query.json', JSON.stringify(body, null, 2))
  const args = ['-sS', '-w', '\n%{http_code}', queryUrl, '-X', 'POST', '-d', `@${file}`, '--max-time', '20']
  const { stdout } = await promisify(execFile)(curl(), args, { timeout: 30_000, maxBuffer: 64 * 1024 * 1024 })
  const at = stdout.lastIndexOf('\n')
  return { code: Number(stdout.slice(at + 1)), ...(JSON.parse(stdout.slice(0, at)) as Answer) }
}

const settings = () => contextOf('prometheus', { id: 1, uid: 'direct', url: prometheusUrl })

withAll('starts a Prometheus that watches itself, and an aggregator in front of it', async (t) => {
  const address = `127.0.0.1:${String(await freePort())}`
  prometheusUrl = `http://${address}`
  const config = write(
    'prometheus.yml',
    `global: { scrape_interval: 200ms }
scrape_configs:
  - { job_name: prometheus, static_configs: [{ targets: ['${address}'] }] }
`,
  )
  const args = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(root, 'data')}`,
    `--web.listen-address=${address}`,
  ]
  const child = run({ teardown: (end) => void ends.push(end) }, prometheus(), args, { stdio: 'ignore' })
  const up = async (): Promise<boolean> => {
    if (child.exitCode !== null) throw new Error(`prometheus exited with ${String(child.exitCode)}`)
    try {
      const response = await fetch(`${prometheusUrl}/api/v1/query?query=up`)
      return (await response.text()).includes('"1"')
    } catch {
      return false
    }
  }
  await until(up)

  installPlugin(root, 'prometheus', 'prometheus', 'gpx_prometheus')
  const datasources = write(
    'datasources.yml',
    `apiVersion: 1
datasources:
  - { name: Prometheus, uid: example, type: prometheus, access: proxy, url: '${prometheusUrl}' }
`,
  )
  mkdirSync(join(root, 'dataplaneservices'))
  write('dataplaneservices/datasource.yml', manifest)
  host = pluginDirectory(root, { startWaitMs: 20_000 })
  const aggregator = dataPlaneAggregator({
    source: fileSource(join(root, 'dataplaneservices')),
    plugins: host,
    contexts: provisionedContexts(datasources),
  })
  ends.push(() => aggregator.close())
  await aggregator.ready
  const server = createServer(express().use(aggregator)).listen(0, '127.0.0.1')
  ends.push(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  const origin = `127.0.0.1:${String((server.address() as AddressInfo).port)}`
  queryUrl = `http://admin:admin@${origin}/apis/prometheus.grafana.app/v0alpha1/namespaces/default/connections/example/query`
  t.is((await ask([{ refId: 'A', expr: 'up' }])).code, 200)
})

withAll('answers a range query of curl', async (t) => {
  const range = () => ask([{ refId: 'A', expr: 'up', range: true, intervalMs: 1000 }], 'now-1m')
  const { code, results } = await range()
  t.is(code, 200)
  const [frame] = results['A']?.frames ?? []
  t.is(results['A']?.frames.length, 1)
  t.like(frame?.schema.meta, { type: 'timeseries-multi', executedQueryString: 'Expr: up\nStep: 1s' })
  t.deepEqual(
    frame?.schema.fields.map(({ type }) => type),
    ['time', 'number'],
  )
  t.like(frame?.schema.fields[1]?.labels, { __name__: 'up', job: 'prometheus' })
  const [times = [], values = []] = frame?.data.values ?? []
  t.true(times.length > 0)
  t.true(values.every((value) => value === 1))
  // the newest point is of now
  t.true(Math.abs((times.at(-1) ?? 0) - Date.now()) < 60_000)
})

withAll('answers an instant query of curl', async (t) => {
  const { code, results } = await ask([
    { refId: 'A', expr: 'prometheus_build_info', instant: true },
    { refId: 'B', expr: 'vector(42)', instant: true },
  ])
  t.is(code, 200)
  t.is(results['A']?.frames[0]?.schema.meta.type, 'numeric-multi')
  t.regex(results['A']?.frames[0]?.schema.fields[1]?.labels?.['version'] ?? '', /^\d+\.\d+/)
  t.deepEqual(results['B']?.frames[0]?.data.values[1], [42])
})

withAll('tells curl what Prometheus thinks of a bad query', async (t) => {
  const { code, results } = await ask([{ refId: 'A', expr: 'up{', instant: true }])
  t.is(code, 400)
  t.like(results['A'], { status: 400, errorSource: 'downstream' })
  t.regex(results['A']?.error ?? '', /parse error/)
})

withAll("reads Prometheus's labels as a resource, and asks for its health", async (t) => {
  if (host === undefined) throw new Error('no host')
  const client = clientOf(host, 'prometheus')
  const read = async (path: string, url = path) => {
    const { status, headers, text } = await fetchResource(
      client,
      resourceOf('prometheus', path, { url, pluginContext: settings() }),
    )
    return { status, type: headers['Content-Type'], body: JSON.parse(text) as { readonly data: ReadonlyArray<string> } }
  }
  const labels = await read('api/v1/labels')
  t.like(labels, { status: 200, type: ['application/json'], body: { status: 'success' } })
  t.true(labels.body.data.includes('job'))
  const values = await read('api/v1/label/__name__/values', 'api/v1/label/__name__/values?match[]=up')
  t.deepEqual(values.body.data, ['up'])
  t.like(await good(client.checkHealth({ pluginContext: settings(), headers: {} }, soon())), {
    status: 'OK',
    message: 'Successfully queried Prometheus.',
  })
  const nobody = contextOf('prometheus', { id: 2, uid: 'nobody', url: `http://127.0.0.1:${String(await freePort())}` })
  t.like(await good(client.checkHealth({ pluginContext: nobody, headers: {} }, soon())), { status: 'ERROR' })
})
