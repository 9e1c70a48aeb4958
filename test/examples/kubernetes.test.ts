import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json, text } from 'node:stream/consumers'

import test, { type ExecutionContext } from 'ava'
import { parse, parseAllDocuments } from 'yaml'

import { route } from '../../src/testing/index.ts'
import { authority, clientCertificate, serverCertificate } from '../proxy/_certificates.ts'
import { startCluster } from './_cluster.ts'
import { allows, grantsOf, toAsked, toGrants, type Grant, type Manifest } from './_rbac.ts'
import { root, runExample } from './_run.ts'

const folder = join(root, 'examples/kubernetes')
const files = (await readdir(folder)).filter((name) => name.endsWith('.yml')).sort()
const texts = new Map<string, string>()
for (const file of files) texts.set(file, await readFile(join(folder, file), 'utf8'))

const objectsIn = (file: string, version: '1.1' | '1.2' = '1.2'): ReadonlyArray<Manifest> =>
  parseAllDocuments(texts.get(file) ?? '', { version }).map((document) => document.toJS() as Manifest)

const manifests = files.filter((file) => file !== 'kustomization.yml').flatMap((file) => objectsIn(file))

const only = (kind: string): Manifest => {
  const [found, ...more] = manifests.filter((manifest) => manifest.kind === kind)
  if (found === undefined || more.length > 0) throw new Error(`expected one ${kind}`)
  return found
}

test('is read by kubectl, whose YAML has more words for true and for numbers, as it is here', (t) => {
  for (const file of files) t.deepEqual(objectsIn(file, '1.1'), objectsIn(file), file)
})

test('applies each manifest in one step, but for objects of the kinds that it defines', (t) => {
  const { resources } = parse(texts.get('kustomization.yml') ?? '') as { readonly resources: ReadonlyArray<string> }
  const defined = manifests
    .filter(({ kind }) => kind === 'CustomResourceDefinition')
    .map(({ spec }) => (spec as { readonly names: { readonly kind: string } }).names.kind)
  t.deepEqual(defined, ['DataPlaneService', 'DataSource'])
  const isLater = (file: string): boolean => objectsIn(file).some(({ kind }) => defined.includes(kind))
  t.deepEqual(
    [...resources].sort(),
    files.filter((file) => file !== 'kustomization.yml' && !isLater(file)),
  )
  const [namespace] = manifests.filter(({ kind }) => kind === 'Namespace')
  const namespaces = manifests.flatMap(({ metadata }) => metadata.namespace ?? [])
  t.deepEqual([...new Set(namespaces)].sort(), [namespace?.metadata.name, env['NAMESPACE'], 'kube-system'])
})

interface Container {
  readonly env: ReadonlyArray<{ readonly name: string; readonly value: string }>
  readonly ports: ReadonlyArray<{ readonly name: string; readonly containerPort: number }>
  readonly volumeMounts: ReadonlyArray<{ readonly name: string; readonly mountPath: string }>
  readonly [probe: string]: unknown
}

interface Pod {
  readonly serviceAccountName: string
  readonly terminationGracePeriodSeconds: number
  readonly topologySpreadConstraints: ReadonlyArray<{ readonly labelSelector: unknown }>
  readonly containers: readonly [Container]
  readonly volumes: ReadonlyArray<{ readonly name: string; readonly secret?: { readonly secretName: string } }>
}

const deployment = only('Deployment')
const { selector, template } = deployment['spec'] as {
  readonly selector: { readonly matchLabels: Readonly<Record<string, string>> }
  readonly template: { readonly metadata: { readonly labels: Readonly<Record<string, string>> }; readonly spec: Pod }
}
const {
  containers: [container],
} = template.spec
const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))

const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'].map(
  (name) =>
    (container[name] as { readonly httpGet: { readonly path: string; readonly port: string; readonly scheme: string } })
      .httpGet,
)

test('leads from the APIService to the port of the replicas', (t) => {
  const service = only('Service')
  const { service: target, group, version } = only('APIService')['spec'] as Record<string, unknown>
  const { name, namespace, port } = target as {
    readonly name: string
    readonly namespace: string
    readonly port: number
  }
  t.like(service.metadata, { name, namespace })
  t.like(service['spec'], { selector: template.metadata.labels, ports: [{ port, targetPort: 'https' }] })
  t.deepEqual(container.ports, [{ name: 'https', containerPort: Number(env['PORT']) }])
  t.is(only('APIService').metadata.name, `${String(version)}.${String(group)}`)
  t.like(only('DataPlaneService')['spec'], { group, version })
  t.deepEqual(template.metadata.labels, selector.matchLabels)
  t.like(only('PodDisruptionBudget')['spec'], { selector })
  t.deepEqual(
    template.spec.topologySpreadConstraints.map(({ labelSelector }) => labelSelector),
    [selector],
  )
  t.like(only('ServiceAccount').metadata, { name: template.spec.serviceAccountName, namespace })
  t.like(deployment.metadata, { namespace })
})

test('mounts the certificate that certificate.sh makes where main.ts looks for it', async (t) => {
  const script = await readFile(join(folder, 'certificate.sh'), 'utf8')
  const { name } = only('Service').metadata
  t.is(only('Service').metadata.namespace, name)
  t.regex(script, new RegExp(`^name=${name}$`, 'm'))
  t.true(script.includes('subjectAltName=DNS:$name.$name.svc'))
  t.regex(script, new RegExp(`^apiservice=${only('APIService').metadata.name.replaceAll('.', '[.]')}$`, 'm'))
  const [tls] = template.spec.volumes.filter(({ secret }) => secret !== undefined)
  t.is(tls?.secret?.secretName, `${name}-tls`)
  const mounted = container.volumeMounts.find((volume) => volume.name === tls?.name)
  t.is(mounted?.mountPath, env['TLS_DIR'])
})

test('sets what main.ts reads, to its defaults', async (t) => {
  const source = await readFile(join(folder, 'main.ts'), 'utf8')
  const { LOG_LEVEL, NAMESPACE, ...rest } = env
  t.is(LOG_LEVEL, 'info')
  t.regex(source, /^ {2}NAMESPACE,/m)
  t.is(NAMESPACE, only('DataSource').metadata.namespace)
  for (const [name, value] of Object.entries(rest)) t.true(source.includes(`  ${name} = '${value}',\n`), name)
  // the delay, limits.drainMs, what plugins and the Lease may take
  t.true(template.spec.terminationGracePeriodSeconds >= Number(env['SHUTDOWN_DELAY_MS']) / 1000 + 25 + 10)
  const dockerfile = await readFile(join(folder, 'Dockerfile'), 'utf8')
  t.true(dockerfile.includes(`COPY examples/plugins ${env['PLUGINS_DIR'] ?? ''}\n`))
})

test('lets whoever it is bound to query, and read what queries need', (t) => {
  const users = manifests.find(({ metadata }) => metadata.name === 'query-testdata')
  if (users === undefined) throw new Error('there is no role for users')
  const base = '/apis/testdata.grafana.app/v0alpha1/namespaces/default'
  const wanted = ['datasources', 'connections'].flatMap((resource) => [
    ['POST', `${base}/${resource}/example/query`, 'query'],
    ['GET', `${base}/${resource}/example/health`, 'health'],
    ['GET', `${base}/${resource}/example/stream/random`, 'stream'],
    ['GET', `${base}/${resource}/example/resources/a/b`, 'route'],
    ['POST', `${base}/${resource}/example/resources/a/b`, 'route'],
  ])
  const used = new Set<Grant>()
  const grants = toGrants(users, undefined)
  for (const [method = '', path = '', type] of [...wanted, ['GET', `${base}/settings`, 'settings']]) {
    t.like(route([only('DataPlaneService')], method, path), { to: 'plugin', type }, path)
    const granted = grants.filter((grant) => allows(grant, toAsked(method, path)))
    t.is(granted.length, 1, `${method} ${path}`)
    for (const grant of granted) used.add(grant)
  }
  t.deepEqual(
    grants.filter((grant) => !used.has(grant)),
    [],
  )
})

/** A kubeconfig of a user of a cluster, and what kubelet mounts. */
const mount = async (t: ExecutionContext, server: string): Promise<Record<string, string>> => {
  const directory = await mkdtemp(join(tmpdir(), 'dpa-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'a',
    clusters: [{ name: 'a', cluster: { server } }],
    users: [{ name: 'a', user: { token: 'secret' } }],
    contexts: [
      { name: 'a', context: { cluster: 'a', user: 'a', namespace: only('ServiceAccount').metadata.namespace } },
    ],
  }
  await writeFile(join(directory, 'config'), JSON.stringify(config), { mode: 0o600 })
  await writeFile(join(directory, 'tls.crt'), serverCertificate.cert)
  await writeFile(join(directory, 'tls.key'), serverCertificate.key)
  return {
    KUBECONFIG: join(directory, 'config'),
    TLS_DIR: directory,
    PLUGINS_DIR: join(root, 'examples/plugins'),
    HOST: '127.0.0.1',
    PORT: '0',
    NAMESPACE: 'default',
    SHUTDOWN_DELAY_MS: '600000',
    XDG_RUNTIME_DIR: directory,
    TMPDIR: directory,
  }
}

const configMap = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'extension-apiserver-authentication', namespace: 'kube-system' },
  data: { 'requestheader-client-ca-file': authority, 'requestheader-allowed-names': '["client"]' },
}

const { stringData, ...secret } = only('Secret')
const data = Object.entries(stringData as Record<string, string>).map(([key, value]) => [key, btoa(value)])

const collections = {
  '/api/v1/namespaces/kube-system/configmaps': [configMap],
  '/apis/datasource.grafana.app/v0alpha1/namespaces/default/datasources': [only('DataSource')],
  '/api/v1/namespaces/default/secrets': [{ ...secret, data: Object.fromEntries(data) as unknown }],
}

/** As kube-apiserver asks: with its certificate, for somebody. */
const joe = { ...clientCertificate, headers: { 'x-remote-user': 'joe' } }

const ask = async (url: string, options: object = {}, body = ''): Promise<IncomingMessage> => {
  const sent = request(url, { ca: authority, servername: 'localhost', agent: false, ...options })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return response
}

test('serves kube-apiserver alone, asks for all that RBAC allows and no more, and leaves in order', async (t) => {
  const cluster = await startCluster(t, { services: [only('DataPlaneService')], collections })
  const { line, child, stop } = runExample(t, 'examples/kubernetes/main.ts', await mount(t, cluster.url))
  const url = (await line(/^listening on /)).slice('listening on '.length)

  const statusOf = async (path: string, options: object = {}): Promise<number | undefined> =>
    (await ask(`${url}${path}`, options)).resume().statusCode
  while ((await statusOf('/readyz')) !== 200) await new Promise(setImmediate)
  for (const { path, port, scheme } of probes) {
    t.deepEqual([port, scheme], ['https', 'HTTPS'])
    t.is(await statusOf(path), 200)
  }
  const base = '/apis/testdata.grafana.app/v0alpha1'
  const health = `${base}/namespaces/default/connections/example/health`
  t.is(await statusOf(health), 401)
  t.is(await statusOf(health, { headers: joe.headers }), 401)
  t.is(await statusOf(health, joe), 200)
  t.is(await statusOf(base, joe), 200)
  t.like(await json(await ask(`${url}/other`, joe)), { kind: 'Status', code: 404 })

  await cluster.answered('PATCH', /[/]status\b/)
  const query = await readFile(join(root, 'examples/datasource-query.json'), 'utf8')
  const post = { ...joe, method: 'POST' }
  const queryPath = `${url}${base}/namespaces/default/connections/example/query`
  const { results } = (await json(await ask(queryPath, post, query))) as { readonly results: object }
  t.like(results, { A: { status: 200 } })
  t.regex(await text(await ask(`${url}/metrics`)), /dataplaneservice="v0alpha1[.]testdata[.]grafana[.]app"/)
  const [lease] = cluster.leases.values()
  t.is(typeof (lease?.['spec'] as { readonly holderIdentity?: unknown }).holderIdentity, 'string')

  child.kill('SIGTERM')
  while ((await statusOf('/readyz')) === 200) await new Promise(setImmediate)
  t.is((await ask(queryPath, post, query)).resume().statusCode, 200)
  t.is(await stop(), 0)

  const grants = grantsOf(manifests, only('ServiceAccount'))
  const used = new Set<Grant>()
  for (const [method, path] of cluster.asked) {
    const granted = grants.filter((grant) => allows(grant, toAsked(method, path)))
    t.true(granted.length > 0, `${method} ${path}`)
    for (const grant of granted) used.add(grant)
  }
  // a Role of Kubernetes' own; and what is asked only when the status of an object cannot be written for a conflict
  const rare = ['configmaps', 'dataplaneservices']
  const isRare = ({ resource, verb }: Grant): boolean => rare.includes(resource) && verb === 'get'
  t.deepEqual(
    grants.filter((grant) => !used.has(grant) && !isRare(grant)),
    [],
  )
})

test('says what is not mounted, and ends', async (t) => {
  const { child, line } = runExample(t, 'examples/kubernetes/main.ts', {
    KUBECONFIG: '/nonexistent',
    TLS_DIR: join(folder, 'nonexistent'),
  })
  const { message } = await t.throwsAsync(line(/^listening/))
  t.regex(
    message,
    /^examples.kubernetes.main\.ts ended: \{"level":"error","message":"expected tls\.crt and tls\.key in TLS_DIR"/,
  )
  t.is(child.exitCode, 1)
})
