import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { Registry as Metrics } from 'prom-client'

import {
  createServer,
  dataPlaneAggregator,
  inProcess,
  memorySource,
  staticContexts,
  type AggregatorOptions,
  type RequestAttributes,
} from '../src/index.ts'
import { registryRoutes } from '../src/registry/index.ts'
import { silentLogger } from '../src/logger.ts'

// What holds for every request that somebody claims holds for those that we answer ourselves: the objects as an API, and documents.

const group = 'aggregation.grafana.app'
const base = `/apis/${group}/v0alpha1/dataplaneservices`
const object = (name: string) => ({
  apiVersion: `${group}/v0alpha1`,
  kind: 'DataPlaneService',
  metadata: { name },
  spec: {
    pluginID: 'p',
    pluginType: 'datasource',
    group: `${name}.example.com`,
    version: 'v1',
    services: [{ type: 'query' }],
  },
})

interface World {
  readonly ask: (method: string, path: string, init?: RequestInit) => Promise<Response>
  readonly asked: RequestAttributes[]
  readonly names: () => ReadonlyArray<string>
  readonly metrics: Metrics
}

const createWorld = async (t: ExecutionContext, more: Partial<AggregatorOptions> = {}): Promise<World> => {
  const source = memorySource([object('a'), object('b')])
  const asked: RequestAttributes[] = []
  const metrics = new Metrics()
  const aggregator = dataPlaneAggregator({
    source,
    plugins: inProcess({ p: {} }),
    contexts: staticContexts({}),
    metrics,
    authenticate: ({ headers }) => (headers['x-who'] === undefined ? undefined : { name: String(headers['x-who']) }),
    authorize: (attributes) => {
      asked.push(attributes)
      return true
    },
    ...more,
  })
  await aggregator.ready
  const app = express().use(aggregator)
  app.use(
    (_request, response) => void response.json({ kind: 'APIGroupList', groups: [{ name: 'theirs', versions: [] }] }),
  )
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.close()
    server.closeAllConnections()
    await aggregator.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    ask: (method, path, init = {}) =>
      fetch(`http://127.0.0.1:${String(port)}${path}`, {
        method,
        ...init,
        headers: { 'x-who': 'jane', 'content-type': 'application/json', ...init.headers },
      }),
    asked,
    names: () => source.objects.list().map(({ metadata }) => metadata.name),
    metrics,
  }
}

const nobody = { headers: { 'x-who': '' } }

interface Row {
  readonly method: string
  readonly path: string
  readonly body?: string
  readonly type?: string
  readonly verb: string
  readonly name?: string
  readonly subresource?: string
}

const merge = 'application/merge-patch+json'
const asks: ReadonlyArray<Row> = [
  { method: 'GET', path: base, verb: 'list' },
  { method: 'HEAD', path: base, verb: 'list' },
  { method: 'GET', path: `${base}?watch=true&timeoutSeconds=1`, verb: 'watch' },
  { method: 'GET', path: `${base}?fieldSelector=metadata.name=a`, verb: 'list', name: 'a' },
  { method: 'POST', path: base, body: JSON.stringify(object('c')), verb: 'create' },
  { method: 'POST', path: `${base}/d`, body: JSON.stringify(object('d')), verb: 'create' },
  { method: 'DELETE', path: `${base}?labelSelector=x=y`, verb: 'deletecollection' },
  { method: 'GET', path: `${base}/a`, verb: 'get', name: 'a' },
  { method: 'PUT', path: `${base}/a`, body: '{}', verb: 'update', name: 'a' },
  { method: 'PATCH', path: `${base}/a`, body: '{}', type: merge, verb: 'patch', name: 'a' },
  { method: 'DELETE', path: `${base}/b`, verb: 'delete', name: 'b' },
  { method: 'GET', path: `${base}/a/status`, verb: 'get', name: 'a', subresource: 'status' },
  { method: 'PUT', path: `${base}/a/status`, body: '{}', verb: 'update', name: 'a', subresource: 'status' },
  {
    method: 'PATCH',
    path: `${base}/a/status`,
    body: '{}',
    type: merge,
    verb: 'patch',
    name: 'a',
    subresource: 'status',
  },
]

const initOf = ({ body, type = 'application/json' }: Row): RequestInit =>
  body === undefined ? {} : { body, headers: { 'content-type': type } }

test('knows every route of the registry', (t) => {
  const objects = memorySource().objects
  const routes = registryRoutes({ objects, isReadOnly: false, logger: silentLogger })
  const known = new Set(
    asks.map(({ method, path }) => {
      const rest = path
        .slice(base.length)
        .replace(/\?.*/, '')
        .replace(/^\/[a-d]/, '/{name}')
      return `${method === 'HEAD' ? 'GET' : method} /dataplaneservices${rest}`
    }),
  )
  known.add('* /dataplaneservices/*')
  t.deepEqual([...new Set(routes.map(({ method, path }) => `${method} ${path}`))].toSorted(), [...known].toSorted())
})

const misses: ReadonlyArray<[method: string, path: string, code: number, allow?: string]> = [
  ['GET', '/a/scale', 404],
  ['POST', '/a/b/c', 404],
  ['GET', '/', 404],
  ['PUT', '', 405, 'DELETE, GET, HEAD, POST'],
  ['OPTIONS', '/a', 405, 'DELETE, GET, HEAD, PATCH, POST, PUT'],
  ['DELETE', '/a/status', 405, 'GET, HEAD, PATCH, PUT'],
]
for (const [method, path, code, allow] of misses) {
  test(`answers ${method} ${path || 'on all'} with ${String(code)}, for the path is ours`, async (t) => {
    const { ask, asked } = await createWorld(t)
    const answer = await ask(method, base + path)
    t.is(answer.status, code)
    t.is(answer.headers.get('allow') ?? undefined, allow)
    t.like(await answer.json(), { kind: 'Status', code })
    t.is(asked.length, 1)
  })
}

for (const row of asks) {
  const title = `${row.method} ${row.path.slice(base.length) || '/'}`
  test(`asks whether jane may ${row.verb}: ${title}`, async (t) => {
    const { ask, asked } = await createWorld(t)
    await (await ask(row.method, row.path, initOf(row))).arrayBuffer()
    t.is(asked.length, 1)
    const { verb, name = '', subresource = '' } = row
    t.like(asked[0], {
      verb,
      name,
      subresource,
      group,
      version: 'v0alpha1',
      resource: 'dataplaneservices',
      namespace: '',
    })
    t.is(asked[0]?.user?.name, 'jane')
  })

  test(`does nothing for whom nobody knows, or the hook refuses: ${title}`, async (t) => {
    const strange = await createWorld(t, { authenticate: () => undefined })
    t.is((await strange.ask(row.method, row.path, { ...initOf(row) })).status, 401)
    t.is(strange.asked.length, 0)
    const refused = await createWorld(t, { authorize: () => false })
    const answer = await refused.ask(row.method, row.path, initOf(row))
    t.is(answer.status, 403)
    for (const { names } of [strange, refused]) t.deepEqual(names(), ['a', 'b'])
    if (row.method !== 'HEAD') {
      t.regex(
        ((await answer.json()) as { message: string }).message,
        new RegExp(`^dataplaneservices\\.${group} ".*" is forbidden: User "jane" cannot ${row.verb} resource `),
      )
    }
  })
}

const documents = [
  '/apis',
  `/apis/${group}`,
  `/apis/${group}/v0alpha1`,
  '/apis/a.example.com/v1',
  '/openapi/v2',
  '/openapi/v3',
]

for (const path of documents) {
  test(`asks by the path alone who may read ${path}, and leaves it to the next handler for the others`, async (t) => {
    const { ask, asked } = await createWorld(t)
    const answer = await ask('GET', path, { headers: { accept: '*/*' } })
    t.is(answer.status, 200)
    t.like(asked[0], { verb: 'get', path, group: '', version: '', resource: '', name: '', namespace: '' })
    const theirs = { kind: 'APIGroupList', groups: [{ name: 'theirs', versions: [] }] }
    for (const more of [{ authorize: () => false }, { authenticate: () => undefined }, { discovery: false }]) {
      const refused = await createWorld(t, more)
      t.deepEqual(await (await refused.ask('GET', path)).json(), theirs)
    }
  })
}

test('serves no write when it is read-only, and no API at all when it is off', async (t) => {
  const readOnly = await createWorld(t, { registry: 'read-only' })
  for (const row of asks) {
    const { status } = await readOnly.ask(row.method, row.path, initOf(row))
    const isRead = ['GET', 'HEAD'].includes(row.method)
    t.is(status, isRead ? 200 : 403, `${row.method} ${row.path}`)
  }
  t.deepEqual(readOnly.names(), ['a', 'b'])
  const off = await createWorld(t, { registry: false })
  const { groups } = (await (await off.ask('POST', base, { body: '{}' })).json()) as { groups: unknown[] }
  t.is(groups.length, 1)
  t.is(off.asked.length, 0)
})

test('counts requests for objects and documents under names of their own', async (t) => {
  const { ask, metrics } = await createWorld(t)
  await (await ask('GET', base)).arrayBuffer()
  await (await ask('GET', '/apis')).arrayBuffer()
  await (await ask('GET', base, nobody)).arrayBuffer()
  const { values = [] } = (await metrics.getSingleMetric('dataplane_aggregator_requests_total')?.get()) ?? {}
  const rows = values.map(({ labels, value }) => [labels['dataplaneservice'], labels['type'], labels['code'], value])
  t.deepEqual(
    rows.map(String).toSorted(),
    [
      `v0alpha1.${group},discovery,200,1`,
      `v0alpha1.${group},registry,200,1`,
      `v0alpha1.${group},registry,401,1`,
    ].toSorted(),
  )
})
