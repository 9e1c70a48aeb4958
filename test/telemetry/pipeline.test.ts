import { createServer } from 'node:http'

import { context } from '@opentelemetry/api'
import test from 'ava'
import { Registry } from 'prom-client'

import { base, listen, makeAggregator, manifest, queryBody, queryPath } from '../_setup/aggregator.ts'
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

test('counts a stream when it is over, as what it came to', async (t) => {
  const metrics = new Registry()
  const tracer = recordingTracer()
  let fail: () => void = () => undefined
  const broken = new Promise<never>((_resolve, reject) => (fail = reject))
  const plugin = {
    callResource: async function* () {
      yield { status: 200, headers: { 'content-type': ['text/plain'] }, body: Buffer.from('one') }
      yield await broken
    },
  }
  const aggregator = await makeAggregator(t, { metrics, tracer, plugin, manifests: [manifest([{ type: 'route' }])] })
  const url = await listen(
    t,
    createServer((q, s) => aggregator(q, s, () => s.end())),
  )
  const response = await fetch(`${url}${base}/namespaces/default/datasources/h1/resources/x`)
  const { body } = response
  if (body === null) throw new Error('expected a body')
  const reader = body.getReader()
  t.is(Buffer.from((await reader.read()).value ?? []).toString(), 'one')
  t.true((await metrics.metrics()).includes('requests_in_flight{type="route"} 1'))
  t.deepEqual(
    tracer.spans.map(({ ends }) => ends),
    [0],
  )
  fail()
  await t.throwsAsync(reader.read())
  const text = await metrics.metrics()
  const of = 'dataplaneservice="v1.hello.example.com",type="route"'
  t.true(text.includes('requests_in_flight{type="route"} 0'))
  t.true(text.includes(`requests_total{${of},method="GET",code="200"} 1`))
  t.true(text.includes(`request_errors_total{${of},reason="PluginFailed",error_source="plugin"} 1`))
  t.deepEqual(
    tracer.spans.map(({ ends }) => ends),
    [1],
  )
})
