// A real kube-apiserver over a real etcd, both processes of a test's own, on loopback.
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

import test, { type ExecutionContext } from 'ava'
import { parse } from 'yaml'

import { createAuthority, type Authority } from './_certificates.ts'
import { ask, open, type Answered, type Asked } from './_https.ts'
import { collection, kubectlOf, type Kubectl } from './_kubectl.ts'
import { restartable, type Restartable } from './_restartable.ts'
import { freePort, tools, until } from './_setup.ts'

type Teardown = Pick<ExecutionContext, 'teardown'>

/** The definition of a DataPlaneService, as operators apply it. */
export const definitionFile = new URL('../../examples/kubernetes/crd.yml', import.meta.url)

type Request = Omit<Asked, 'ca'>

export interface Kubernetes {
  /** Shape: `https://127.0.0.1:34567`. */
  readonly url: string
  /** PEM: signed the server's certificate. */
  readonly ca: string
  /** Of a member of system:masters. */
  readonly adminToken: string
  /** Shape: `v1.37.2`. */
  readonly version: string
  /** Of `admin` or of one of the users that it was started with. */
  readonly tokenOf: (user: string) => string
  /** Path of a file that speaks for this token. Default: the admin's. */
  readonly kubeconfig: (token?: string) => string
  /** As the admin; `kubectlAs` as somebody else, by a token. */
  readonly kubectl: Kubectl
  readonly kubectlAs: (token: string) => Kubectl
  /** Asks for a path as the admin, or as the token says. */
  readonly ask: (path: string, request?: Request) => Promise<Answered>
  readonly open: (path: string, request?: Request) => Promise<IncomingMessage>
  /** Creates an object at a collection's path, or throws. */
  readonly create: (path: string, object: unknown) => Promise<void>
  /** Creates the account if it is not there; a token of it, for at least 10 minutes. */
  readonly serviceAccountToken: (namespace: string, name: string, seconds?: number) => Promise<string>
  /** Signs certificates of clients: the common name is the user. */
  readonly clients: Authority
  /** Signs certificates of front proxies; the apiserver's own is called `front-proxy-client`. */
  readonly frontProxies: Authority
  readonly apiserver: Restartable
  readonly etcd: Restartable & {
    /** Forgets all older revisions. Default: all but the newest. Resolves with the revision. */
    readonly compact: (revision?: string) => Promise<string>
  }
  /** What the apiserver logged so far. */
  readonly log: () => string
}

export interface KubernetesOptions {
  /** Users with a token each, and the groups that they are in. The admin is there anyway. */
  readonly users?: Readonly<Record<string, ReadonlyArray<string>>>
  /** More flags of kube-apiserver. */
  readonly flags?: ReadonlyArray<string>
  /** Whether the definition of a DataPlaneService is there. Default: it is. */
  readonly hasDefinition?: boolean
}

/** Ends with the file of tests: a cluster is started once for all of them. */
export const lasting = (): Teardown => {
  const ends: Array<() => unknown> = []
  test.after.always(async () => {
    for (const end of ends.reverse()) await end()
  })
  return { teardown: (end) => void ends.push(end) }
}

/** Asks etcd by its JSON gateway. It listens at a socket of its directory: nobody else finds it, and no port can be taken. */
const askEtcd = async (socketPath: string, path: string, body: object): Promise<{ header: { revision: string } }> => {
  const asked = request({ socketPath, path, method: 'POST', agent: false, timeout: 5_000 })
  asked.on('timeout', () => asked.destroy(new Error('etcd does not answer')))
  asked.end(JSON.stringify(body))
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  const answer = await text(response)
  if (response.statusCode !== 200) throw new Error(answer)
  return JSON.parse(answer) as { header: { revision: string } }
}

const etcdFlags = [
  ...['--data-dir', 'data', '--unsafe-no-fsync'],
  // it wants a port wherever it wants an address, also of a socket; what it advertises nobody reads
  ...['--listen-client-urls', 'unix://etcd.sock:0', '--advertise-client-urls', 'http://localhost:1'],
  ...['--listen-peer-urls', 'unix://peer.sock:0', '--initial-advertise-peer-urls', 'http://localhost:1'],
  ...['--initial-cluster', 'default=http://localhost:1'],
]

const apiserverFlags = (directory: string): ReadonlyArray<string> => {
  const file = (name: string): string => join(directory, name)
  return [
    ...['--etcd-servers', `unix://${file('etcd.sock:0')}`, '--bind-address', '127.0.0.1'],
    ...['--tls-cert-file', file('server.crt'), '--tls-private-key-file', file('server.key')],
    ...['--client-ca-file', file('clients.crt'), '--token-auth-file', file('tokens.csv')],
    ...['--service-account-issuer', 'https://kubernetes.default.svc'],
    ...['--service-account-key-file', file('accounts.key'), '--service-account-signing-key-file', file('accounts.key')],
    ...['--service-cluster-ip-range', '10.0.0.0/24', '--authorization-mode', 'RBAC'],
    ...['--requestheader-client-ca-file', file('front-proxies.crt')],
    ...['--requestheader-allowed-names', 'front-proxy-client', '--requestheader-username-headers', 'X-Remote-User'],
    ...['--requestheader-group-headers', 'X-Remote-Group', '--requestheader-extra-headers-prefix', 'X-Remote-Extra-'],
    ...['--proxy-client-cert-file', file('front-proxy.crt'), '--proxy-client-key-file', file('front-proxy.key')],
  ]
}

const tokenOf = (user: string): string => `token-of-${user}`

const writeFiles = (directory: string, users: Readonly<Record<string, ReadonlyArray<string>>>) => {
  const write = (name: string, content: string): void => {
    writeFileSync(join(directory, name), content, { mode: 0o600 })
  }
  const servers = createAuthority('servers')
  const clients = createAuthority('clients')
  const frontProxies = createAuthority('front-proxies')
  const server = servers.sign('kube-apiserver', ['DNS:localhost', 'IP:127.0.0.1'])
  const frontProxy = frontProxies.sign('front-proxy-client')
  write('server.crt', server.cert)
  write('server.key', server.key)
  write('clients.crt', clients.cert)
  write('front-proxies.crt', frontProxies.cert)
  write('front-proxy.crt', frontProxy.cert)
  write('front-proxy.key', frontProxy.key)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  write('accounts.key', privateKey.export({ type: 'sec1', format: 'pem' }).toString())
  const lines = Object.entries({ admin: ['system:masters'], ...users }).map(
    ([user, groups]) => `${tokenOf(user)},${user},uid-of-${user},"${groups.join()}"\n`,
  )
  write('tokens.csv', lines.join(''))
  return { ca: servers.cert, clients, frontProxies }
}

/** Somebody else may take the port in the moment before it is taken. */
const attempts = 3

/**
 * Starts etcd and kube-apiserver, takes about 6 s. Both end with the test, and with the tests themselves. Authorisation is RBAC: the
 * admin may do all, other users what roles say that the test creates.
 */
export const startKubernetes = async (t: Teardown, options: KubernetesOptions = {}): Promise<Kubernetes> => {
  const { users = {}, flags = [], hasDefinition = true } = options
  const { have: programs } = tools.kubernetes
  if (programs === undefined) throw new Error(tools.kubernetes.skipped)
  const directory = mkdtempSync(join(tmpdir(), 'kubernetes-'))
  t.teardown(() => {
    rmSync(directory, { recursive: true, force: true })
  })
  const { ca, clients, frontProxies } = writeFiles(directory, users)
  const socket = join(directory, 'etcd.sock:0')
  const adminToken = tokenOf('admin')
  let url = ''
  let port = 0

  const askAs = (path: string, request: Request = {}): Promise<Answered> =>
    ask(url + path, { token: adminToken, ...request, ca })

  const status = (path: string, body: object) => askEtcd(socket, path, body)
  const etcdArguments = (): ReadonlyArray<string> => {
    // one that was killed leaves its sockets behind
    for (const name of ['etcd.sock:0', 'peer.sock:0']) rmSync(join(directory, name), { force: true })
    return etcdFlags
  }
  const etcd = restartable(t, programs.etcd, etcdArguments, {
    cwd: directory,
    isReady: async () => (await status('/v3/maintenance/status', {})).header.revision !== '',
  })
  const server = restartable(
    t,
    programs.apiserver,
    () => [...apiserverFlags(directory), '--secure-port', String(port), ...flags],
    { cwd: directory, isReady: async () => (await askAs('/readyz', { timeoutMs: 5_000 })).status === 200 },
  )

  await etcd.start()
  for (let attempt = 1; ; attempt++) {
    port = await freePort()
    url = `https://127.0.0.1:${String(port)}`
    try {
      await server.start()
      break
    } catch (error) {
      if (attempt === attempts || !/address already in use/.test(server.said())) throw error
    }
  }

  const kubeconfig = (token = adminToken): string => {
    const path = join(mkdtempSync(join(directory, 'kubeconfig-')), 'config')
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [
        { name: 'test', cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
      ],
      users: [{ name: 'test', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    }
    writeFileSync(path, JSON.stringify(config), { mode: 0o600 })
    return path
  }
  const create = async (path: string, object: unknown): Promise<void> => {
    const { status, text } = await askAs(path, { method: 'POST', body: object })
    if (status !== 201) throw new Error(`${path}: ${text}`)
  }
  const kubectlAs = (token: string): Kubectl => kubectlOf(t, 'kubectl', url, { token, ca })

  if (hasDefinition) {
    const definition: unknown = parse(readFileSync(definitionFile, 'utf8'))
    await create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition)
    // it tells nobody when a definition has become an API
    await until(async () => (await askAs(collection)).status === 200)
  }

  return {
    url,
    ca,
    adminToken,
    version: programs.version,
    tokenOf,
    kubeconfig,
    kubectl: kubectlAs(adminToken),
    kubectlAs,
    ask: askAs,
    open: (path, request = {}) => open(url + path, { token: adminToken, ...request, ca }),
    create,
    serviceAccountToken: async (namespace, name, seconds = 600) => {
      const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`
      if ((await askAs(`${accounts}/${name}`)).status === 404) await create(accounts, { metadata: { name } })
      const { status, text } = await askAs(`${accounts}/${name}/token`, {
        method: 'POST',
        body: { spec: { expirationSeconds: seconds } },
      })
      if (status !== 201) throw new Error(text)
      return (JSON.parse(text) as { readonly status: { readonly token: string } }).status.token
    },
    clients,
    frontProxies,
    apiserver: server,
    etcd: {
      ...etcd,
      compact: async (revision) => {
        const wanted = revision ?? (await status('/v3/maintenance/status', {})).header.revision
        await status('/v3/kv/compaction', { revision: wanted, physical: true })
        return wanted
      },
    },
    log: server.said,
  }
}
