import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

import test from 'ava'
import express from 'express'

import {
  createServer,
  dataPlaneAggregator,
  memorySource,
  pluginDirectory,
  provisionedContexts,
  type PluginHost,
} from '../../src/index.ts'
import { post } from '../_setup/aggregator.ts'
import { recordingLogger } from '../plugins/_setup.ts'
import {
  clientOf,
  countersOf,
  installPlugin,
  pluginFolder,
  testWith,
  until,
  untilStatus,
  type Counters,
} from './_setup.ts'

const withGo = testWith('go')
const MiB = 1024 * 1024

/** As in calls.test.ts. */
const plugins = [
  { id: 'today', program: 'plugin' },
  { id: 'today-json', program: 'plugin' },
  { id: 'sdk2023', program: 'plugin-sdk2023' },
] as const
const sdks = ['today', 'sdk2023'] as const

const manifestOf = (id: string): unknown => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name: `v0alpha1.${id}.grafana.app` },
  spec: {
    pluginID: id,
    pluginType: 'datasource',
    group: `${id}.grafana.app`,
    version: 'v0alpha1',
    services: [{ type: 'query' }, { type: 'admission' }],
  },
})

const provisioning = (greeting: string): string => {
  const datasources = plugins.map(({ id }) => ({
    name: id,
    uid: `uid-${id}`,
    type: id,
    url: 'http://127.0.0.1:9/',
    user: 'reader',
    jsonData: { greeting },
    secureJsonData: { password: '$INTEROP_PASSWORD' },
  }))
  // JSON is YAML
  return JSON.stringify({ apiVersion: 1, datasources })
}

const root = pluginFolder()
const datasourcesFile = join(root, 'datasources.yml')
const logger = recordingLogger()
const ends: Array<() => unknown> = []
let url = ''
let host: PluginHost | undefined

test.after.always(async () => {
  for (const end of ends.reverse()) await end()
})

const pluginHost = (): PluginHost => {
  if (host === undefined) throw new Error('no host')
  return host
}

const counters = (id: string): Promise<Counters> => countersOf(clientOf(pluginHost(), id), id)

const urlOf = (id: string, path: string): string => `${url}/apis/${id}.grafana.app/v0alpha1/${path}`

const query = (id: string, queries: ReadonlyArray<object>, headers: Record<string, string> = {}): Promise<Response> =>
  post(
    urlOf(id, `namespaces/default/connections/uid-${id}/query`),
    {
      from: '1600000000000',
      to: '1600000060000',
      queries: queries.map((one) => ({ refId: 'A', datasource: { type: id, uid: `uid-${id}` }, ...one })),
    },
    headers,
  )

interface Result {
  readonly status: number
  readonly error?: string
  readonly errorSource?: string
  readonly frames: ReadonlyArray<{ readonly data: { readonly values: ReadonlyArray<ReadonlyArray<unknown>> } }>
}
interface Results {
  readonly results: Readonly<Record<string, Result>>
}

const resultsOf = async (response: Response) => ((await response.json()) as Results).results

withGo('serves them over HTTP', async (t) => {
  for (const { id, program } of plugins) installPlugin(root, id, program)
  writeFileSync(datasourcesFile, provisioning('hello'))
  host = pluginDirectory(root, {
    logger,
    frameFormat: { 'today-json': 'json' },
    startWaitMs: 20_000,
    backoff: { initialMs: 50 },
  })
  const aggregator = dataPlaneAggregator({
    source: memorySource(plugins.map(({ id }) => manifestOf(id))),
    plugins: host,
    contexts: provisionedContexts(datasourcesFile, { env: { INTEROP_PASSWORD: 'p4ss-word' }, debounceMs: 10, logger }),
    limits: { bodyBytes: 32 * MiB },
    logger,
  })
  ends.push(() => aggregator.close())
  await aggregator.ready
  const app = express()
  app.use((request, _response, next) => {
    Object.assign(request, { user: { name: 'ada', displayName: 'Ada L.', email: 'ada@example.com', role: 'Editor' } })
    next()
  })
  app.use(aggregator)
  const server = createServer(app).listen(0, '127.0.0.1')
  ends.push(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`
  for (const { id } of plugins) t.is((await query(id, [{ queryType: 'no-frames' }])).status, 200)
})

for (const id of sdks) {
  withGo(`tells ${id} all there is to a request`, async (t) => {
    const response = await query(id, [{ queryType: 'echo', expr: 'up', maxDataPoints: 7 }], {
      'X-Panel-Id': '4',
      'X-Dashboard-Uid': 'dash',
      FromAlert: 'true',
      Authorization: 'Bearer secret',
      'X-Other': 'no',
    })
    t.is(response.status, 200)
    const [text] = (await resultsOf(response))['A']?.frames[0]?.data.values[0] ?? []
    const told = JSON.parse(String(text)) as { readonly headers: unknown }
    t.like(told, {
      query: {
        queryType: 'echo',
        maxDataPoints: 7,
        intervalMs: 1000,
        fromMs: 1_600_000_000_000,
        toMs: 1_600_000_060_000,
      },
      context: {
        orgId: 1,
        pluginId: id,
        pluginVersion: '4.5.6',
        grafanaVersion: '12.4.0',
        user: { Login: 'ada', Name: 'Ada L.', Email: 'ada@example.com', Role: 'Editor' },
        dataSource: {
          uid: `uid-${id}`,
          name: id,
          url: 'http://127.0.0.1:9/',
          user: 'reader',
          secrets: { password: 'p4ss-word' },
        },
        ...(id === 'today' ? { namespace: 'default', apiVersion: 'v0alpha1' } : {}),
      },
    })
    t.true(String(text).includes('"jsonData":{"greeting":"hello'))
    t.deepEqual(told.headers, { 'http_X-Panel-Id': '4', 'http_X-Dashboard-Uid': 'dash', FromAlert: 'true' })
  })

  withGo(`lets ${id} keep its instance until the settings change`, async (t) => {
    const before = await counters(id)
    const responses = await Promise.all(Array.from({ length: 30 }, () => query(id, [{ queryType: 'no-frames' }])))
    t.true(responses.every(({ status }) => status === 200))
    t.is((await counters(id)).instances, before.instances)
    writeFileSync(datasourcesFile, provisioning(`hello ${id}`))
    await until(async () => {
      await (await query(id, [{ queryType: 'no-frames' }])).text()
      return (await counters(id)).instances > before.instances
    })
    t.is((await counters(id)).instances, before.instances + 1)
  })

  withGo(`gives errors of ${id} the codes that clients know`, async (t) => {
    const answer = async (queryType: string) => {
      const response = await query(id, [{ queryType }])
      return { code: response.status, result: (await resultsOf(response))['A'] }
    }
    t.like(await answer('plugin-error'), { code: 400, result: { status: 400, errorSource: 'plugin' } })
    t.like(await answer('downstream-error'), { code: 429, result: { status: 429, errorSource: 'downstream' } })
    t.like(await answer('plain-error'), { code: 500, result: { error: 'something went wrong' } })
    t.like(await answer('partial'), { code: 504, result: { error: 'only half of it' } })
    t.is((await query(id, [{ queryType: 'fail' }])).status, 500)
    const crash = await query(id, [{ queryType: 'die' }])
    t.is(crash.status, 503)
    t.regex(crash.headers.get('retry-after') ?? '', /^\d+$/)
    t.like(await crash.json(), { kind: 'Status', reason: 'ServiceUnavailable' })
    await untilStatus(pluginHost(), id, ({ state, startCount }) => state === 'ready' && startCount === 2)
    t.is((await query(id, [{ queryType: 'no-frames' }])).status, 200)
  })

  withGo(`tells ${id} when a client has left`, async (t) => {
    const before = await counters(id)
    const leave = new AbortController()
    const begun = logger.find(({ message, fields }) => message === 'slow query begins' && fields['refId'] === `S ${id}`)
    const left = fetch(urlOf(id, `namespaces/default/datasources/uid-${id}/query`), {
      method: 'POST',
      body: JSON.stringify({
        queries: [{ refId: `S ${id}`, queryType: 'slow', ms: 60_000, datasource: { type: id, uid: `uid-${id}` } }],
      }),
      signal: leave.signal,
    })
    await begun
    leave.abort()
    await t.throwsAsync(left, { any: true })
    await until(async () => (await counters(id)).cancelled > before.cancelled)
    t.is((await counters(id)).cancelled, before.cancelled + 1)
  })

  withGo(`carries large requests to ${id} and large answers back`, async (t) => {
    const large = await query(id, [{ queryType: 'bytes', maxDataPoints: 20 * MiB }])
    t.is(large.status, 200)
    const [values] = (await resultsOf(large))['A']?.frames[0]?.data.values ?? []
    t.is(values?.length, (20 * MiB) / 8)
    t.is((await query(id, [{ queryType: 'no-frames', padding: 'x'.repeat(15 * MiB) }])).status, 200)
    const tooLarge = await query(id, [{ queryType: 'no-frames', padding: 'x'.repeat(16 * MiB) }])
    t.is(tooLarge.status, 413)
    t.like(await tooLarge.json(), { reason: 'RequestEntityTooLarge' })
  })
}

withGo('answers the same bytes for frames in Arrow and in JSON', async (t) => {
  const queries = ['frames', 'no-frames', 'partial', 'plugin-error', 'rows'].map((queryType) => ({
    refId: queryType,
    queryType,
  }))
  const [arrow, json] = await Promise.all(['today', 'today-json'].map(async (id) => (await query(id, queries)).text()))
  t.is(arrow, json)
  const { results } = JSON.parse(arrow ?? '') as Results
  t.is(results['frames']?.frames.length, 3)
  t.is(results['rows']?.frames[0]?.data.values[0]?.length, 100)
})

const review = (id: string, verb: string, object: unknown, operation = 'CREATE'): Promise<Response> =>
  post(urlOf(id, `admission/${verb}`), {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'r-1',
      operation,
      kind: { group: 'g.example.com', version: 'v1', kind: 'Thing' },
      resource: { group: 'g.example.com', version: 'v1', resource: 'things' },
      namespace: 'default',
      name: 'a',
      userInfo: { username: 'ada' },
      object: operation === 'DELETE' ? null : object,
      oldObject: operation === 'CREATE' ? null : object,
    },
  })

const thing = (spec: object) => ({ apiVersion: 'g.example.com/v1', kind: 'Thing', metadata: { name: 'a' }, spec })

withGo('lets today admit objects', async (t) => {
  const responseOf = async (verb: string, object: unknown, operation?: string) => {
    const answer = await review('today', verb, object, operation)
    t.is(answer.status, 200)
    return ((await answer.json()) as { readonly response: { readonly patch?: string } }).response
  }
  t.like(await responseOf('validate', thing({ a: 1 })), {
    uid: 'r-1',
    allowed: true,
    warnings: ['0 g.example.com/v1/Thing default'],
  })
  t.like(await responseOf('validate', thing({ refuse: 'bad name' })), {
    allowed: false,
    status: { message: 'bad name', reason: 'Invalid', code: 422 },
    warnings: ['think again'],
  })
  t.like(await responseOf('validate', thing({}), 'DELETE'), { allowed: true })
  const { patch = '', ...mutated } = await responseOf('mutate', thing({ a: 1 }))
  t.like(mutated, { allowed: true, patchType: 'JSONPatch' })
  const operations = JSON.parse(Buffer.from(patch, 'base64').toString()) as ReadonlyArray<{ readonly path: string }>
  t.deepEqual(operations.map(({ path }) => path).sort(), ['/spec/a', '/spec/had', '/spec/mutated'])
  t.like(await responseOf('mutate', thing({ refuse: 'x' })), { allowed: false, status: { code: 403 } })
})

withGo('knows that sdk2023 admits no objects', async (t) => {
  const answer = await review('sdk2023', 'validate', thing({}))
  t.is(answer.status, 501)
  t.like(await answer.json(), { kind: 'Status', code: 501 })
})

withGo('lets no secret into a log', (t) => {
  t.true(logger.lines.length > 0)
  t.false(JSON.stringify(logger.lines).includes('p4ss-word'))
  return Promise.resolve()
})
