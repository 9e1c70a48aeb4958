// A real kube-apiserver before us: it is asked by everybody, and hands on what an APIService says is ours.
import { once } from 'node:events'
import { createInterface } from 'node:readline'

import { WebSocket } from 'ws'

import { frontProxyUser, type RequestAttributes } from '../../src/index.ts'
import { createAuthority } from './_certificates.ts'
import { aggregated, base, good, grant, group, have, instance, services } from './_delegation.ts'
import { ask, type Answered, type Asked } from './_https.ts'
import { lasting, startKubernetes, type Kubernetes } from './_kubernetes.ts'
import { clientOf, countersOf, testWith, until } from './_setup.ts'
import { startTlsHost, type TlsHost } from './_tls-host.ts'

const withCluster = testWith('kubernetes', 'kubectl', 'go')

const query = {
  from: '1600000000000',
  to: '1600000060000',
  queries: [{ refId: 'A', datasource: { type: 'interop', uid: 'one' }, queryType: 'rows', maxDataPoints: 3 }],
}
const started: { cluster?: Kubernetes; host?: TlsHost } = {}
const cluster = (): Kubernetes => have(started.cluster)
const host = (): TlsHost => have(started.host)

/** What `authorize` was asked. */
let asked: RequestAttributes[] = []

const startHost = async (t: Parameters<typeof startTlsHost>[0]): Promise<TlsHost> => {
  const made = await startTlsHost(t, {
    services,
    clientCa: cluster().frontProxies.cert,
    authenticate: frontProxyUser({ allowedNames: ['front-proxy-client'] }),
    authorize: (attributes) => {
      asked.push(attributes)
      return true
    },
  })
  await cluster().create('/api/v1/namespaces/default/services', {
    metadata: { name: 'gateway' },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  })
  await cluster().create('/apis/apiregistration.k8s.io/v1/apiservices', {
    metadata: { name: `v1.${group}` },
    spec: {
      group,
      version: 'v1',
      groupPriorityMinimum: 1000,
      versionPriority: 10,
      caBundle: Buffer.from(made.ca).toString('base64'),
      service: { namespace: 'default', name: 'gateway', port: made.port },
    },
  })
  return made
}

const forever = lasting()

withCluster('becomes Available in a cluster', async (t) => {
  started.cluster = await startKubernetes(forever, { users: { ada: ['readers'], bob: [] } })
  started.host = await startHost(forever)
  const { kubectl } = cluster()
  await good(t, kubectl, ['wait', '--for=condition=Available', `apiservice/v1.${group}`, '--timeout=30s'])
  const reason = '-o=jsonpath={.status.conditions[0].reason}: {.status.conditions[0].message}'
  t.is(await good(t, kubectl, ['get', `apiservice/v1.${group}`, reason]), 'Passed: all checks passed')
})

withCluster('is told of by the cluster: discovery, OpenAPI, api-resources', async (t) => {
  // it fetches both in its own time
  const textOf = async (path: string, headers = {}) => (await cluster().ask(path, { headers })).text
  await until(async () => (await textOf('/apis', aggregated)).includes(group))
  await until(async () => (await textOf('/openapi/v3')).includes(`apis/${group}/v1`))

  const list = JSON.parse(await textOf('/apis', aggregated)) as {
    readonly items: ReadonlyArray<{ readonly metadata: { readonly name: string }; readonly versions: unknown }>
  }
  const ours = list.items.filter(({ metadata }) => metadata.name === group)
  t.is(ours.length, 1)
  t.like(ours[0]?.versions, { 0: { version: 'v1', freshness: 'Current' } })
  t.like(JSON.parse(await textOf(`/apis/${group}`)), { kind: 'APIGroup', preferredVersion: { version: 'v1' } })
  const document = JSON.parse(await textOf(`/openapi/v3/apis/${group}/v1`)) as { readonly paths: object }
  t.true(Object.keys(document.paths).includes(`${base}/namespaces/{namespace}/datasources/{uid}/query`))
  const resources = await good(t, cluster().kubectl, ['api-resources', `--api-group=${group}`, '--no-headers'])
  t.is(resources.trim().replace(/ +/g, ' '), `reports ${group}/v1 true Reports`)
})

withCluster('answers a query to the user whom the cluster let in, and knows all of him', async (t) => {
  await grant(cluster(), 'team, red', ['datasources/query'], 'create')
  asked = []
  const { status, text } = await cluster().ask(`${instance}/query`, {
    method: 'POST',
    body: query,
    headers: {
      'Impersonate-User': Buffer.from('jürgen').toString('latin1'),
      'Impersonate-Uid': '7',
      'Impersonate-Group': ['team, red', 'team blue'],
      'Impersonate-Extra-acme.com%2fproject': ['x', 'y, z'],
    },
  })
  t.is(status, 200, text)
  t.like(JSON.parse(text), {
    results: { A: { status: 200, frames: { 0: { data: { values: { 1: [0, 0.25, 0.5] } } } } } },
  })
  t.deepEqual(
    asked.filter(({ user }) => user?.name !== 'system:kube-aggregator'),
    [
      {
        user: {
          name: 'jürgen',
          uid: '7',
          groups: ['team, red', 'team blue', 'system:authenticated'],
          extra: { 'acme.com/project': ['x', 'y, z'] },
        },
        verb: 'create',
        group,
        version: 'v1',
        namespace: 'default',
        resource: 'datasources',
        name: 'one',
        subresource: 'query',
        path: `${instance}/query`,
      },
    ],
  )
})

withCluster('answers kubectl, and a service account with what its token says of it', async (t) => {
  await grant(cluster(), 'system:serviceaccounts:default', ['datasources/health', 'datasources/resources'], 'get')
  const token = await cluster().serviceAccountToken('default', 'robot')
  asked = []
  const kubectl = cluster().kubectlAs(token)
  t.like(JSON.parse(await good(t, kubectl, ['get', '--raw', `${instance}/health`])), { status: 'OK' })
  // the cluster writes a query anew, in the order of its keys
  const echo = await good(t, kubectl, ['get', '--raw', `${instance}/resources/echo/a%20b?c=2&b=1`])
  t.like(JSON.parse(echo), { path: 'echo/a b', url: 'echo/a%20b?b=1&c=2' })
  const { user } = have(asked.find(({ subresource }) => subresource === 'health'))
  t.is(user?.name, 'system:serviceaccount:default:robot')
  t.deepEqual(user?.groups, ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'])
  t.regex(user?.extra?.['authentication.kubernetes.io/credential-id']?.join() ?? '', /^JTI=/)
})

withCluster('is not asked about what the cluster does not allow', async (t) => {
  asked = []
  const request = { method: 'POST', body: query }
  const path = `${instance}/query`
  const forbidden = await cluster().ask(path, { ...request, token: cluster().tokenOf('bob') })
  t.is(forbidden.status, 403)
  t.regex(forbidden.text, /User \\"bob\\" cannot create resource \\"datasources\/query\\" in API group/)
  t.is((await cluster().ask(path, { ...request, token: 'nonsense' })).status, 401)
  t.deepEqual(
    asked.filter(({ user }) => user?.name !== 'system:kube-aggregator'),
    [],
  )
})

withCluster('takes nobody else for the cluster', async (t) => {
  const { frontProxies, clients, adminToken, tokenOf } = cluster()
  const headers = { 'X-Remote-User': 'root', 'X-Remote-Group': 'system:masters' }
  const direct = (more: Partial<Asked>): Promise<Answered> =>
    ask(`${host().url}${instance}/health`, { ca: host().ca, headers, ...more })
  asked = []
  const strangers: ReadonlyArray<Partial<Asked>> = [
    {},
    { headers: {}, token: adminToken },
    { token: tokenOf('ada') },
    createAuthority('front-proxies').sign('front-proxy-client'),
    clients.sign('front-proxy-client'),
    frontProxies.sign('somebody'),
    { headers: {}, ...frontProxies.sign('front-proxy-client') },
  ]
  for (const [index, stranger] of strangers.entries()) {
    const { status, text } = await direct(stranger)
    t.is(status, 401, `${String(index)}: ${text}`)
    t.like(JSON.parse(text), { kind: 'Status', reason: 'Unauthorized' })
  }
  t.deepEqual(
    asked.filter(({ user }) => user?.name !== 'system:kube-aggregator'),
    [],
  )
  t.is((await direct(frontProxies.sign('front-proxy-client'))).status, 200)
  t.like(asked.at(-1)?.user, { name: 'root' })
})

const cancelled = async (): Promise<number> =>
  (await countersOf(clientOf(host().plugins, 'interop'), 'interop')).cancelled

withCluster('gives chunks through the cluster as they come, until the client leaves', async (t) => {
  const before = await cancelled()
  const response = await cluster().open(`${instance}/query`, {
    method: 'POST',
    headers: { accept: 'application/jsonl' },
    // it writes four chunks, and waits to be left
    body: { ...query, queries: [{ ...query.queries[0], queryType: 'slow' }] },
  })
  t.is(response.statusCode, 200)
  const lines = createInterface({ input: response })[Symbol.asyncIterator]()
  for (let n = 0; n < 4; n++) t.regex(String((await lines.next()).value), /"refId":"A".*"frame"/)
  t.is(await cancelled(), before)
  response.destroy()
  await until(async () => (await cancelled()) > before)
})

withCluster('opens a WebSocket through the cluster', async (t) => {
  const { url, ca, tokenOf } = cluster()
  await grant(cluster(), 'readers', ['datasources/stream'], 'get')
  const connect = (user: string): WebSocket =>
    new WebSocket(`${url.replace('https', 'wss')}${instance}/stream/ticks`, {
      ca,
      headers: { authorization: `Bearer ${tokenOf(user)}` },
    })
  asked = []
  const socket = connect('ada')
  const [message] = (await once(socket, 'message')) as [Buffer]
  t.like(JSON.parse(message.toString()), { path: 'ticks', user: { Login: 'ada' } })
  await once(socket, 'message')
  socket.close()
  await once(socket, 'close')

  const refused = connect('bob')
  refused.on('error', () => undefined)
  const [, response] = (await once(refused, 'unexpected-response')) as [unknown, { readonly statusCode: number }]
  refused.terminate()
  t.is(response.statusCode, 403)
  t.deepEqual(
    asked.filter(({ subresource }) => subresource === 'stream').map(({ user }) => user?.name),
    ['ada'],
  )
})

withCluster('is unavailable to the cluster while it is away, and comes back', async (t) => {
  const { kubectl } = cluster()
  const become = async (condition: string): Promise<void> => {
    // it looks anew at whatever was changed, else in its own time: every 30 s
    await good(t, kubectl, ['annotate', '--overwrite', `apiservice/v1.${group}`, `look=${condition}`])
    await good(t, kubectl, ['wait', `--for=condition=${condition}`, `apiservice/v1.${group}`, '--timeout=40s'])
  }
  await host().leave()
  // it tries until it has looked, with other words
  const reach = await cluster().ask(`${instance}/health`)
  t.is(reach.status, 503)
  await become('Available=false')
  const away = await cluster().ask(`${instance}/health`)
  t.is(away.status, 503)
  t.is(away.text, 'service unavailable\n')
  await host().comeBack()
  await become('Available=true')
  await until(async () => (await cluster().ask(`${instance}/health`)).status === 200)
})
