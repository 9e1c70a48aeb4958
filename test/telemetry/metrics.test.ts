import test from 'ava'
import { Counter, Gauge, Registry, register, type OpenMetricsContentType } from 'prom-client'

import { toStatus, type AggregatorError } from '../../src/errors.ts'
import { requestMetrics } from '../../src/telemetry/metrics.ts'
import type { MetricsRegistry } from '../../src/telemetry/registry.ts'
import type { Outcome } from '../../src/telemetry.ts'
import { cancelled, envOf, requestOf, served } from './requests.ts'

const failed = (error: AggregatorError): Outcome => ({ code: toStatus(error).code, durationMs: 30, error })

/** Value of one series, by its whole text; `undefined` when there is none. */
const valueOf = async (registry: MetricsRegistry, series: string): Promise<number | undefined> => {
  const line = (await registry.metrics()).split('\n').find((text) => text.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

const seriesIn = async (registry: Registry): Promise<ReadonlyArray<string>> =>
  (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))

const total = 'dataplane_aggregator_requests_total'

test('counts requests by service, type, method and code', async (t) => {
  const registry = new Registry()
  const observe = requestMetrics(registry)
  observe(requestOf(), envOf()).ended(served)
  observe(requestOf(), envOf()).ended(served)
  observe(requestOf(), envOf()).ended(failed({ _tag: 'PluginTimeout', message: 'late' }))
  observe(requestOf({ method: 'GET' }), envOf({ name: 'loki', type: 'route' })).ended(served)

  t.is(await valueOf(registry, `${total}{dataplaneservice="prometheus",type="query",method="POST",code="200"}`), 2)
  t.is(await valueOf(registry, `${total}{dataplaneservice="prometheus",type="query",method="POST",code="504"}`), 1)
  t.is(await valueOf(registry, `${total}{dataplaneservice="loki",type="route",method="GET",code="200"}`), 1)
})

test('counts a client that left as 499', async (t) => {
  const registry = new Registry()
  requestMetrics(registry)(requestOf(), envOf()).ended(cancelled)
  t.is(await valueOf(registry, `${total}{dataplaneservice="prometheus",type="query",method="POST",code="499"}`), 1)
})

test('times requests in seconds', async (t) => {
  const registry = new Registry()
  requestMetrics(registry)(requestOf(), envOf()).ended({ code: 200, durationMs: 30, error: undefined })
  const name = 'dataplane_aggregator_request_duration_seconds'
  t.is(await valueOf(registry, `${name}_sum{dataplaneservice="prometheus",type="query"}`), 0.03)
  t.is(await valueOf(registry, `${name}_bucket{le="0.025",dataplaneservice="prometheus",type="query"}`), 0)
  t.is(await valueOf(registry, `${name}_bucket{le="0.05",dataplaneservice="prometheus",type="query"}`), 1)
})

test('shows how many requests are under way', async (t) => {
  const registry = new Registry()
  const observe = requestMetrics(registry)
  const inFlight = (): Promise<number | undefined> =>
    valueOf(registry, 'dataplane_aggregator_requests_in_flight{type="query"}')
  const first = observe(requestOf(), envOf())
  const second = observe(requestOf(), envOf())
  t.is(await inFlight(), 2)
  first.ended(served)
  t.is(await inFlight(), 1)
  second.ended(cancelled)
  t.is(await inFlight(), 0)
})

const blamed: ReadonlyArray<readonly [AggregatorError, string]> = [
  [{ _tag: 'PluginFailed', message: 'm', source: 'plugin' }, 'plugin'],
  [{ _tag: 'PluginFailed', message: 'm', source: 'downstream' }, 'downstream'],
  [{ _tag: 'BadPlugin', message: 'm' }, 'plugin'],
  [{ _tag: 'PluginUnavailable', message: 'm', retryAfterSeconds: 1 }, 'plugin'],
  [{ _tag: 'TooManyRequests', message: 'm', retryAfterSeconds: 1 }, 'aggregator'],
  [{ _tag: 'Unexpected', cause: new Error('m') }, 'aggregator'],
  [{ _tag: 'BadRequest', message: 'm' }, 'client'],
  [{ _tag: 'Cancelled' }, 'client'],
]

for (const [error, source] of blamed) {
  test(`lays ${JSON.stringify(error)} at the ${source}`, async (t) => {
    const registry = new Registry()
    requestMetrics(registry)(requestOf(), envOf()).ended(failed(error))
    const labels = `dataplaneservice="prometheus",type="query",reason="${error._tag}",error_source="${source}"`
    t.is(await valueOf(registry, `dataplane_aggregator_request_errors_total{${labels}}`), 1)
  })
}

test('counts no error for an answered request', async (t) => {
  const registry = new Registry()
  requestMetrics(registry)(requestOf(), envOf()).ended(served)
  t.false((await seriesIn(registry)).some((line) => line.includes('request_errors_total{')))
})

test('keeps the number of series whatever ten thousand clients send', async (t) => {
  const registry = new Registry()
  const observe = requestMetrics(registry)
  const send = (n: number): void => {
    const request = requestOf({
      method: `M${String(n)}`,
      path: `/apis/prometheus.grafana.app/v0alpha1/namespaces/ns${String(n)}/connections/u${String(n)}/query`,
      params: { namespace: `ns${String(n)}`, uid: `u${String(n)}` },
      user: { name: `user${String(n)}` },
    })
    observe(request, envOf()).ended(served)
  }
  send(0)
  const before = await seriesIn(registry)
  for (let n = 1; n < 10_000; n++) send(n)
  t.is((await seriesIn(registry)).length, before.length)
  t.is(
    await valueOf(registry, `${total}{dataplaneservice="prometheus",type="query",method="other",code="200"}`),
    10_000,
  )
})

test('adds to the metrics of another aggregator in the same registry', async (t) => {
  const registry = new Registry()
  requestMetrics(registry)(requestOf(), envOf()).ended(served)
  requestMetrics(registry)(requestOf(), envOf()).ended(served)
  t.is(await valueOf(registry, `${total}{dataplaneservice="prometheus",type="query",method="POST",code="200"}`), 2)
})

test('keeps two registries apart', async (t) => {
  const [one, other] = [new Registry(), new Registry()]
  requestMetrics(one)(requestOf(), envOf()).ended(served)
  requestMetrics(other)
  t.true((await seriesIn(one)).length > 0)
  t.deepEqual(await seriesIn(other), [])
})

test('begins anew in a registry that its host cleared', async (t) => {
  const registry = new Registry()
  requestMetrics(registry)
  registry.clear()
  requestMetrics(registry)(requestOf(), envOf()).ended(served)
  t.is(await valueOf(registry, `${total}{dataplaneservice="prometheus",type="query",method="POST",code="200"}`), 1)
})

test('serves a registry of the OpenMetrics format', async (t) => {
  const registry = new Registry<OpenMetricsContentType>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  requestMetrics(registry)(requestOf(), envOf()).ended(served)
  await registry.metrics()
  // Printing renames counters in place; the second aggregator must still find them.
  requestMetrics(registry)(requestOf(), envOf()).ended(served)
  t.is(await valueOf(registry, `${total}{dataplaneservice="prometheus",type="query",method="POST",code="200"}`), 2)
})

test('refuses a registry where one of its names is of another kind', (t) => {
  const registry = new Registry()
  registry.registerMetric(new Gauge({ name: total, help: 'of the host', registers: [] }))
  t.throws(() => requestMetrics(registry), { message: /dataplane_aggregator_requests_total/ })
})

test('leaves the default registry alone', async (t) => {
  requestMetrics(new Registry())(requestOf(), envOf()).ended(served)
  t.deepEqual(await seriesIn(register), [])
  new Counter({ name: 'canary_total', help: 'the default registry does fill up', labelNames: [] }).inc()
  t.is((await seriesIn(register)).length, 1)
})
