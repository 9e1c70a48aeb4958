import { createServer } from 'node:http'

import { context } from '@opentelemetry/api'
import test from 'ava'
import { Registry } from 'prom-client'

import { base, listen, makeAggregator, queryBody, queryPath } from '../_setup/aggregator.ts'
import { contextManager, recordingTracer } from './recording-tracer.ts'

test.before(() => {
  context.setGlobalContextManager(contextManager())
})

const post = (url: string): Promise<Response> =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(queryBody) })

const labels = 'dataplaneservice="v1.hello.example.com",type="query"'

test('counts and traces each claimed request of two aggregators in one registry, and no other', async (t) => {
  const metrics = new Registry()
  const tracer = recordingTracer()
  for (const aggregator of [
    await makeAggregator(t, { metrics, tracer }),
    await makeAggregator(t, { metrics, tracer }),
  ]) {
    const url = await listen(
      t,
      createServer((q, s) => aggregator(q, s, () => s.end())),
    )
    t.is((await post(`${url}${queryPath}?auth_token=hunter2`)).status, 200)
    t.is((await fetch(`${url}${queryPath}`)).status, 405)
    t.is((await fetch(`${url}${base}/nobody`)).status, 200)
  }
  const text = await metrics.metrics()
  t.true(text.includes(`requests_total{${labels},method="POST",code="200"} 2`))
  t.true(text.includes(`requests_total{${labels},method="GET",code="405"} 2`))
  t.true(text.includes('requests_in_flight{type="query"} 0'))
  t.is(tracer.spans.length, 4)
  t.false(JSON.stringify(tracer.spans).includes('hunter2'))
  t.deepEqual(
    tracer.spans.map(({ ends, attributes }) => [ends, attributes['http.response.status_code']]),
    [
      [1, 200],
      [1, 405],
      [1, 200],
      [1, 405],
    ],
  )
})

test('lays a failed query at the plugin or at what stands behind it', async (t) => {
  for (const [errorSource, code] of [
    ['downstream', 400],
    ['plugin', 500],
  ] as const) {
    const metrics = new Registry()
    const plugin = { queryData: () => ({ responses: { A: { error: 'no', errorSource } } }) }
    const aggregator = await makeAggregator(t, { metrics, plugin })
    const url = await listen(
      t,
      createServer((q, s) => aggregator(q, s, () => s.end())),
    )
    t.is((await post(`${url}${queryPath}`)).status, code)
    const series = `request_errors_total{${labels},reason="PluginFailed",error_source="${errorSource}"} 1`
    t.true((await metrics.metrics()).includes(series))
  }
})
