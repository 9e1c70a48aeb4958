// We before a real kube-apiserver: we are asked by everybody, and hand on what nobody claims, as the README has it.
import { Agent } from 'node:https'

import { createProxyMiddleware } from 'http-proxy-middleware'

import type { Authenticate, Authorize, User } from '../../src/index.ts'
import { aggregated, good, grant, group, have, instance, services } from './_delegation.ts'
import { ask, open } from './_https.ts'
import { kubectlOf, linesOf, type Kubectl } from './_kubectl.ts'
import { lasting, startKubernetes, type Kubernetes } from './_kubernetes.ts'
import { testWith } from './_setup.ts'
import { startTlsHost, type TlsHost } from './_tls-host.ts'

const withCluster = testWith('kubernetes', 'kubectl', 'go')

const started: { cluster?: Kubernetes; front?: TlsHost; kubectl?: Kubectl } = {}
const cluster = (): Kubernetes => have(started.cluster)
const front = (): TlsHost => have(started.front)

const forever = lasting()

/** Asks once, as apiservers do for a while: so the cluster may be away. */
const remembered = <A>(ask: (of: string) => Promise<A>): ((of: string) => Promise<A>) => {
  const answers = new Map<string, Promise<A>>()
  return (of) => {
    const answer = answers.get(of) ?? ask(of)
    answers.set(of, answer)
    return answer
  }
}

const reviewToken = remembered(async (token): Promise<User | undefined> => {
  const { text } = await cluster().ask('/apis/authentication.k8s.io/v1/tokenreviews', {
    method: 'POST',
    body: { spec: { token } },
  })
  const { status } = JSON.parse(text) as {
    readonly status: { readonly user?: Partial<User> & { readonly username?: string } }
  }
  const { username, ...rest } = status.user ?? {}
  return username === undefined ? undefined : { name: username, ...rest }
})

const reviewAccess = remembered(async (spec): Promise<boolean> => {
  const { text } = await cluster().ask('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    method: 'POST',
    body: `{"spec":${spec}}`,
  })
  return (JSON.parse(text) as { readonly status: { readonly allowed: boolean } }).status.allowed
})

/** The cluster says who has this token. */
const byTokenReview: Authenticate = ({ headers: { authorization = '' } }) =>
  reviewToken(authorization.slice('Bearer '.length))

/** The cluster says what he may do: our words are its own. */
const bySubjectAccessReview: Authorize = ({ user, path, ...attributes }) => {
  const wanted =
    attributes.resource === ''
      ? { nonResourceAttributes: { path, verb: attributes.verb } }
      : { resourceAttributes: attributes }
  return reviewAccess(JSON.stringify({ user: user?.name, groups: user?.groups, ...wanted }))
}

withCluster('stands before a cluster', async (t) => {
  started.cluster = await startKubernetes(forever, { users: { ada: ['readers'], bob: [] } })
  await grant(cluster(), 'readers', ['datasources/stream'], 'get')
  const { url, ca } = cluster()
  const agent = new Agent({ ca, keepAlive: true })
  forever.teardown(() => {
    agent.destroy()
  })
  started.front = await startTlsHost(forever, {
    services,
    authenticate: byTokenReview,
    authorize: bySubjectAccessReview,
    next: (app) => app.use(createProxyMiddleware({ target: url, agent })),
  })
  const { url: ownUrl, ca: ownCa } = front()
  started.kubectl = kubectlOf(forever, 'kubectl', ownUrl, { token: cluster().adminToken, ca: ownCa })

  const resources = await good(t, have(started.kubectl), ['api-resources', '-o', 'name'])
  for (const name of [
    'configmaps',
    'deployments.apps',
    'dataplaneservices.aggregation.grafana.app',
    `reports.${group}`,
  ])
    t.true(resources.split('\n').includes(name), name)
  t.regex(await good(t, have(started.kubectl), ['get', 'ns']), /^default +Active/m)
  t.like(JSON.parse(await good(t, have(started.kubectl), ['get', '--raw', `${instance}/health`])), { status: 'OK' })
})

interface GroupDiscovery {
  readonly metadata: { readonly name?: string }
  readonly versions: ReadonlyArray<{ readonly version: string; readonly freshness: string }>
}

/** Aggregated discovery, by group. */
const groupsAt = async (
  url: string,
  path: string,
  ca: string,
): Promise<ReadonlyMap<string, GroupDiscovery['versions']>> => {
  const { status, text } = await ask(url + path, { ca, token: cluster().adminToken, headers: aggregated })
  if (status !== 200) throw new Error(text)
  const { items } = JSON.parse(text) as { readonly items: ReadonlyArray<GroupDiscovery> }
  return new Map(items.map(({ metadata, versions }) => [metadata.name ?? '', versions]))
}

withCluster('merges what both tell of themselves', async (t) => {
  const { url, ca } = front()
  const get = async (path: string): Promise<unknown> => {
    const { status, text } = await ask(url + path, {
      ca,
      token: cluster().adminToken,
      headers: { accept: 'application/json' },
    })
    t.is(status, 200, text)
    return JSON.parse(text)
  }
  t.deepEqual(await groupsAt(url, '/api', ca), await groupsAt(cluster().url, '/api', cluster().ca))
  const theirs = await groupsAt(cluster().url, '/apis', cluster().ca)
  const both = await groupsAt(url, '/apis', ca)
  t.deepEqual([...both.keys()], [...theirs.keys(), group])
  for (const [name, versions] of theirs) t.deepEqual(both.get(name), versions)
  t.like(both.get(group), { length: 1, 0: { version: 'v1', freshness: 'Current' } })
  const { groups } = (await get('/apis')) as { readonly groups: ReadonlyArray<{ readonly name: string }> }
  t.deepEqual(groups.map(({ name }) => name).sort(), [...both.keys()].sort())
  const { paths } = (await get('/openapi/v3')) as { readonly paths: object }
  for (const path of ['api/v1', 'apis/apps/v1', `apis/${group}/v1`]) t.true(path in paths, path)
  t.regex(await good(t, have(started.kubectl), ['explain', 'configmap.data']), /Data contains the configuration data/)
})

withCluster('lets all that is not its own through: writes, watches, who asks', async (t) => {
  const kubectl = have(started.kubectl)
  const manifest = (value: string): string =>
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'colours' }, data: { sky: value } })
  const watching = linesOf(kubectl.start(t, ['get', 'cm', '-w', '--no-headers', '--output-watch-events']))
  const apply = ['apply', '--server-side', '-f', '-']
  await good(t, kubectl, apply, { input: manifest('blue') })
  t.regex(await watching(), /^ADDED +colours +1/)
  await good(t, kubectl, apply, { input: manifest('grey') })
  t.regex(await watching(), /^MODIFIED +colours +1/)
  t.is(await good(t, cluster().kubectl, ['get', 'cm/colours', '-o', 'jsonpath={.data.sky}']), 'grey')
  await good(t, kubectl, ['delete', 'cm/colours'])
  t.regex(await watching(), /^DELETED +colours +1/)

  const { url, ca } = front()
  const as = (user: string, path: string) => ask(url + path, { ca, token: cluster().tokenOf(user) })
  const self = await ask(`${url}/apis/authentication.k8s.io/v1/selfsubjectreviews`, {
    ca,
    token: cluster().tokenOf('ada'),
    method: 'POST',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
  })
  t.like(JSON.parse(self.text), { status: { userInfo: { username: 'ada' } } })
  t.is((await as('bob', '/api/v1/namespaces')).status, 403)
})

withCluster('asks the cluster who may use what is its own', async (t) => {
  const { url, ca } = front()
  const stream = (user: string) =>
    open(`${url}${instance}/stream/ticks`, {
      ca,
      token: cluster().tokenOf(user),
      headers: { accept: 'application/jsonl' },
    })
  const codes = []
  for (const user of ['ada', 'bob', 'nobody']) {
    const response = await stream(user)
    codes.push(response.statusCode)
    response.destroy()
  }
  t.deepEqual(codes, [200, 403, 401])
})

withCluster('goes on without the cluster, and calls its groups stale until it is back', async (t) => {
  const { url, ca } = front()
  const freshness = async (path: string, name: string) => (await groupsAt(url, path, ca)).get(name)?.[0]?.freshness
  const told = async () => [
    await freshness('/api', ''),
    await freshness('/apis', 'apps'),
    await freshness('/apis', group),
  ]
  const get = (path: string) => ask(url + path, { ca, token: cluster().adminToken })
  t.deepEqual(await told(), ['Current', 'Current', 'Current'])
  await cluster().apiserver.stop()
  t.deepEqual(await told(), ['Stale', 'Stale', 'Current'])
  t.is((await get(`${instance}/health`)).status, 200)
  t.is((await get('/api/v1/namespaces')).status, 504)
  await cluster().apiserver.start()
  t.deepEqual(await told(), ['Current', 'Current', 'Current'])
  t.is((await get('/api/v1/namespaces')).status, 200)
})
