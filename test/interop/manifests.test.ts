// The manifests of examples/kubernetes as a real kube-apiserver takes them, and main.ts with the rights that they give, and no others.
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { connect } from 'node:tls'
import { promisify } from 'node:util'

import type { ExecutionContext } from 'ava'
import { parse, parseAllDocuments } from 'yaml'

import { root, runExample } from '../examples/_run.ts'
import { ask } from './_https.ts'
import { startKubernetes, type Kubernetes } from './_kubernetes.ts'
import { testWith, tools, until } from './_setup.ts'

const run = promisify(execFile)

const name = 'dataplane-aggregator'
const account = `system:serviceaccount:${name}:${name}`
const service = 'v0alpha1.testdata.grafana.app'
const folder = 'examples/kubernetes'
const file = (path: string): string => join(root, folder, path)

const { resources } = parse(readFileSync(file('kustomization.yml'), 'utf8')) as {
  readonly resources: ReadonlyArray<string>
}
/** Of kinds that are there only once their definition is. */
const later = readdirSync(file('.')).filter(
  (path) => path.endsWith('.yml') && path !== 'kustomization.yml' && !resources.includes(path),
)

/** What kubectl prints of a command that says nothing else, line by line. */
const typed = async (t: ExecutionContext, { kubectl }: Kubernetes, command: string): Promise<ReadonlyArray<string>> => {
  const { code, out, err } = await kubectl(command.split(' '), { cwd: root })
  t.deepEqual([code, err], [0, ''], `kubectl ${command}`)
  return out.trim().split('\n')
}

/** Whether the account of the manifests may do it. */
const may = async ({ kubectl }: Kubernetes, what: string): Promise<string> =>
  (await kubectl(['auth', 'can-i', ...what.split(' '), `--as=${account}`])).out.trim()

/** As kubelet does with a Secret: all files of a directory are replaced at once, by a link that is renamed. */
const mountFiles = (directory: string, files: Readonly<Record<string, string>>): void => {
  const data = mkdtempSync(join(directory, '..data-'))
  for (const [path, content] of Object.entries(files)) writeFileSync(join(data, path), content)
  symlinkSync(data, join(directory, '..data_tmp'))
  renameSync(join(directory, '..data_tmp'), join(directory, '..data'))
  for (const path of Object.keys(files)) {
    rmSync(join(directory, path), { force: true })
    symlinkSync(join('..data', path), join(directory, path))
  }
}

interface Secret {
  readonly data: { readonly 'tls.crt': string; readonly 'tls.key': string }
}

interface ApiService {
  readonly spec: { readonly caBundle: string }
}

interface Lease {
  readonly spec: { readonly holderIdentity?: string }
}

const read = async ({ ask }: Kubernetes, path: string): Promise<unknown> => {
  const { status, text } = await ask(path)
  if (status !== 200) throw new Error(text)
  return JSON.parse(text) as unknown
}

const fromBase64 = (text: string): string => Buffer.from(text, 'base64').toString()

/** Which certificate a server shows to whoever connects now. */
const shown = async (url: string): Promise<string | undefined> => {
  const { hostname: host, port } = new URL(url)
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const certificate = socket.getPeerX509Certificate()?.fingerprint256
  socket.destroy()
  return certificate
}

const frontProxyPath = '/apis/testdata.grafana.app/v0alpha1/namespaces/default/connections/example/query'

testWith('kubernetes', 'kubectl')(
  'takes the manifests without a warning, and gives main.ts what it needs and no more',
  async (t) => {
    const cluster = await startKubernetes(t, { hasDefinition: false })
    const lines = (command: string): Promise<ReadonlyArray<string>> => typed(t, cluster, command)

    // definitions and the namespace have to be there before what lies in them can be tried
    const first = resources.filter((path) => path === 'namespace.yml' || path.endsWith('crd.yml'))
    await lines(`apply --server-side --warnings-as-errors ${first.map((path) => `-f ${folder}/${path}`).join(' ')}`)
    await lines('wait --for=condition=Established crd --all')
    const tried = await lines(`apply --server-side --dry-run=server --warnings-as-errors -k ${folder}`)
    const count = resources.flatMap((path) => parseAllDocuments(readFileSync(file(path), 'utf8'))).length
    t.is(tried.filter((line) => line.endsWith(' serverside-applied (server dry run)')).length, count)
    await lines(`apply --server-side --warnings-as-errors -k ${folder}`)
    for (const path of later) await lines(`apply --server-side --warnings-as-errors -f ${folder}/${path}`)

    // its certificate, as the script makes it, where kubelet mounts it
    const directory = mkdtempSync(join(tmpdir(), 'manifests-'))
    t.teardown(() => {
      rmSync(directory, { recursive: true, force: true })
    })
    const mounted = join(directory, 'tls')
    mkdirSync(mounted)
    const makeCertificate = async (): Promise<{ readonly cert: string; readonly trusted: string }> => {
      const path = `${dirname(tools.kubectl.have ?? '')}:${process.env['PATH'] ?? ''}`
      await run('sh', [file('certificate.sh')], {
        env: { PATH: path, HOME: directory, KUBECONFIG: cluster.kubeconfig() },
      })
      const { data } = (await read(cluster, `/api/v1/namespaces/${name}/secrets/${name}-tls`)) as Secret
      const { spec } = (await read(cluster, `/apis/apiregistration.k8s.io/v1/apiservices/${service}`)) as ApiService
      const cert = fromBase64(data['tls.crt'])
      mountFiles(mounted, { 'tls.crt': cert, 'tls.key': fromBase64(data['tls.key']) })
      return { cert, trusted: fromBase64(spec.caBundle) }
    }
    const { trusted } = await makeCertificate()

    // a Pod has the account's token and its namespace
    const config = JSON.parse(
      readFileSync(cluster.kubeconfig(await cluster.serviceAccountToken(name, name)), 'utf8'),
    ) as {
      readonly contexts: ReadonlyArray<{ readonly context: { namespace?: string } }>
    }
    for (const { context } of config.contexts) context.namespace = name
    writeFileSync(join(directory, 'config'), JSON.stringify(config), { mode: 0o600 })
    const { line, stop } = runExample(t, 'examples/kubernetes/main.ts', {
      KUBECONFIG: join(directory, 'config'),
      TLS_DIR: mounted,
      PLUGINS_DIR: join(root, 'examples/plugins'),
      HOST: '127.0.0.1',
      PORT: '0',
      NAMESPACE: 'default',
      SHUTDOWN_DELAY_MS: '0',
      XDG_RUNTIME_DIR: directory,
      TMPDIR: directory,
    })
    const url = (await line(/^listening on /)).slice('listening on '.length)
    const server = { ca: trusted, servername: `${name}.${name}.svc` }
    await until(async () => (await ask(`${url}/readyz`, server)).status === 200)

    await lines(`wait --for=condition=Available dps/${service} --timeout=30s`)
    t.regex((await lines('get dps')).join('\n'), /^v0alpha1\.testdata\.grafana\.app +testdata +query +True +\d+s$/m)
    const [, lease = ''] = await lines(`get leases --namespace=${name}`)
    t.regex(lease, new RegExp(`^${name} +\\S+ +\\d+s$`))

    const frontProxy = { ...server, ...cluster.frontProxies.sign('front-proxy-client') }
    const other = { ...server, ...cluster.frontProxies.sign('somebody-else') }
    const query = {
      method: 'POST',
      headers: { 'x-remote-user': 'joe' },
      body: readFileSync(join(root, 'examples/datasource-query.json'), 'utf8'),
    }
    const { status, text } = await ask(`${url}${frontProxyPath}`, { ...frontProxy, ...query })
    t.is(status, 200, text)
    t.like(JSON.parse(text), { results: { A: { status: 200 } } })
    t.is((await ask(`${url}${frontProxyPath}`, { ...other, ...query })).status, 401)
    t.is((await ask(`${url}${frontProxyPath}`, { ...server, ...query })).status, 401)

    // a new certificate, while it runs
    const renewed = await makeCertificate()
    t.is(renewed.trusted, `${renewed.cert}${trusted}`)
    await until(async () => (await shown(url)) === new X509Certificate(renewed.cert).fingerprint256)
    t.is((await ask(`${url}/readyz`, { ...server, ca: renewed.trusted })).status, 200)

    for (const what of [
      'list datasources --namespace=default',
      'list dps',
      'watch dps',
      `patch dps/${service} --subresource=status`,
      `update leases/${name} --namespace=${name}`,
    ])
      t.is(await may(cluster, what), 'yes', what)
    for (const what of [
      'create dps',
      'delete dps',
      `patch dps/${service}`,
      'create datasources -A',
      'list secrets -A',
      'list secrets --namespace=kube-system',
      `get secrets --namespace=${name}`,
      `update leases/other --namespace=${name}`,
      'create leases --namespace=default',
      'list pods -A',
      'get configmaps/other --namespace=kube-system',
      'create subjectaccessreviews',
      `create datasources/example --subresource=query --namespace=default`,
    ])
      t.is(await may(cluster, what), 'no', what)

    t.is(await stop(), 0)
    const { spec } = (await read(cluster, `/apis/coordination.k8s.io/v1/namespaces/${name}/leases/${name}`)) as Lease
    t.falsy(spec.holderIdentity)
  },
)
