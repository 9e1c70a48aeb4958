import { fileURLToPath } from 'node:url'

import test from 'ava'
import express from 'express'

import {
  createServer,
  dataPlaneAggregator,
  memorySource,
  pluginDirectory,
  staticContexts,
  type Status,
} from '../../src/index.ts'
import { listen, post } from '../_setup/aggregator.ts'

const directory = fileURLToPath(new URL('../../examples/plugins', import.meta.url))

const manifest = {
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name: 'v1.testdata.example.com' },
  spec: {
    pluginID: 'testdata',
    pluginType: 'datasource',
    group: 'testdata.example.com',
    version: 'v1',
    services: [{ type: 'query' }, { type: 'admission' }],
  },
}
const base = '/apis/testdata.example.com/v1'
const path = `${base}/namespaces/default/datasources/t1/query`
const datasource = { type: 'testdata', uid: 't1' }
const bodyOf = (...queries: ReadonlyArray<object>): object => ({
  queries: queries.map((query, index) => ({ refId: 'ABC'.charAt(index), datasource, ...query })),
  from: '1700000000000',
  to: '1700000060000',
})

test('answers what each misbehaviour of a plugin process deserves, and others meanwhile', async (t) => {
  const plugins = pluginDirectory(directory, {
    receiveLimitBytes: 1024 * 1024,
    backoff: { initialMs: 50, maxMs: 100, resetAfterMs: 60_000 },
  })
  const options = {
    source: memorySource([manifest]),
    plugins,
    contexts: staticContexts({
      datasources: [{ uid: 't1', type: 'testdata', url: 'http://x', secureJsonData: { k: 'hush' } }],
    }),
  }
  const aggregator = dataPlaneAggregator(options)
  const impatient = dataPlaneAggregator({ ...options, limits: { requestTimeoutMs: 200 } })
  t.teardown(() => impatient.close())
  t.teardown(() => aggregator.close())
  await Promise.all([aggregator.ready, impatient.ready])
  const url = await listen(t, createServer(express().use('/impatient', impatient).use(aggregator)))
  const query = (...queries: ReadonlyArray<object>): Promise<Response> => post(`${url}${path}`, bodyOf(...queries))
  const refused = async (code: number, message: RegExp, ...queries: ReadonlyArray<object>): Promise<void> => {
    const response = await query(...queries)
    const status = (await response.json()) as Status
    t.is(response.status, code, status.message)
    t.like(status, { kind: 'Status', code })
    t.regex(status.message, message)
    t.notRegex(status.message, /\/tmp|\/run|sock|hush/)
    if (code === 503) t.truthy(response.headers.get('retry-after'))
  }

  // The first request comes while the process starts, and waits for it.
  const first = await query({ scenario: 'random_walk', intervalMs: 15_000 })
  t.is(first.status, 200)
  const { results } = (await first.json()) as { results: { A: { frames: Array<{ data: { values: unknown[][] } }> } } }
  t.deepEqual(
    results.A.frames[0]?.data.values[0],
    [1_700_000_000_000, 1_700_000_015_000, 1_700_000_030_000, 1_700_000_045_000],
  )

  const context = await (await query({ scenario: 'context', big: 9007199254740993n.toString() })).text()
  t.regex(context, /http:\/\/x/)
  t.notRegex(context, /hush/)

  await refused(502, /"A"/, { scenario: 'garbage_frame' })
  await refused(502, /receiveLimitBytes/, { scenario: 'huge', rows: 1000, columns: 1000 })
  await refused(500, /./, { scenario: 'grpc_error' })
  const [hung, served] = await Promise.all([
    post(`${url}/impatient${path}`, bodyOf({ scenario: 'hang' })),
    query({ scenario: 'table' }),
  ])
  t.is(hung.status, 504)
  t.is(served.status, 200)

  const failed = await query(
    { scenario: 'error', status: 404, source: 'downstream', message: 'no such metric' },
    { scenario: 'empty' },
  )
  t.is(failed.status, 404)
  t.like(await failed.json(), {
    results: { A: { error: 'no such metric', errorSource: 'downstream', status: 404 }, B: { status: 200, frames: [] } },
  })

  const review = {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u1',
      operation: 'CREATE',
      kind: { group: 'g', version: 'v', kind: 'K' },
      object: { metadata: {}, spec: { title: '' } },
    },
  }
  const mutated = (await (await post(`${url}${base}/admission/mutate`, review)).json()) as {
    response: { patch: string }
  }
  t.deepEqual(JSON.parse(Buffer.from(mutated.response.patch, 'base64').toString()), [
    { op: 'add', path: '/metadata/annotations', value: { 'testdata/mutated': 'true' } },
  ])
  const validated = await (await post(`${url}${base}/admission/validate`, review)).json()
  t.like(validated, { response: { uid: 'u1', allowed: false, status: { code: 422, reason: 'Invalid' } } })

  // A crash costs the call that caused it and those beside it; then it is started again.
  const before = plugins.statuses().find(({ id }) => id === 'testdata')
  await refused(503, /./, { scenario: 'crash' })
  for (;;) {
    const response = await query({ scenario: 'empty' })
    if (response.status === 200) break
    t.is(response.status, 503)
    t.truthy(response.headers.get('retry-after'))
    await new Promise((resolve) => setImmediate(resolve))
  }
  const after = plugins.statuses().find(({ id }) => id === 'testdata')
  t.not(after?.pid, before?.pid)
  t.is(after?.startCount, 2)
})
