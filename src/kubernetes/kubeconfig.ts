import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, delimiter, join, resolve } from 'node:path'

import type { KubeconfigCluster, KubeconfigUser } from '../api/kubeconfig.ts'
import { quote } from '../decode.ts'
import type { Access, TextSource, TlsSources } from './access.ts'
import { checkPems, refuse, toProxy, toServer, type NamedPem } from './check.ts'
import { secretLimitBytes } from './file-text.ts'
import { readFileNow, readKubeconfigFiles, type Entry, type MergedKubeconfig } from './kubeconfig-files.ts'
import { toImpersonation, toLogin } from './kubeconfig-user.ts'

/** Which kubeconfig, and which context of it. */
export interface KubeconfigOptions {
  /** Default: those that the variable KUBECONFIG lists, else `.kube/config` in the home directory. */
  readonly path?: string
  /** Default: its `current-context`. */
  readonly context?: string
}

/** Where a kubeconfig is looked for that nobody named. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly homeDirectory: string
}

/** A PEM, and where it comes from. */
interface FoundPem extends NamedPem {
  readonly source: TextSource
}

const findPem = (
  { where, directory }: Pick<Entry<unknown>, 'where' | 'directory'>,
  field: string,
  data: string | undefined,
  path: string | undefined,
): FoundPem | undefined => {
  if (data !== undefined) {
    const place = `${where}, ${field}-data`
    if (path !== undefined) return refuse(place, `no ${field} beside it`, 'both')
    const pem = Buffer.from(data, 'base64').toString()
    return { where: place, pem, source: { text: pem } }
  }
  if (path === undefined) return undefined
  const place = `${where}, ${field}`
  const absolute = resolve(directory, path)
  return { where: place, pem: readFileNow(place, absolute, secretLimitBytes), source: { path: absolute } }
}

const toTls = (
  cluster: Entry<KubeconfigCluster>,
  user: Entry<KubeconfigUser>,
): { readonly tls: TlsSources; readonly caData: string | undefined } => {
  const { value: trust } = cluster
  const { value: own } = user
  const ca = findPem(
    cluster,
    'certificate-authority',
    trust['certificate-authority-data'],
    trust['certificate-authority'],
  )
  const cert = findPem(user, 'client-certificate', own['client-certificate-data'], own['client-certificate'])
  const key = findPem(user, 'client-key', own['client-key-data'], own['client-key'])
  const isInsecure = trust['insecure-skip-tls-verify'] === true
  if (isInsecure && ca !== undefined) refuse(ca.where, 'none beside insecure-skip-tls-verify', 'one')
  checkPems(ca, cert, key, { cert: `${user.where}, client-certificate`, key: `${user.where}, client-key` })
  return {
    tls: {
      ca: ca?.source,
      cert: cert?.source,
      key: key?.source,
      serverName: trust['tls-server-name'],
      isInsecure,
    },
    caData: ca === undefined ? undefined : Buffer.from(ca.pem).toString('base64'),
  }
}

const nobody = (where: string): Entry<KubeconfigUser> => ({ value: {}, where, directory: '' })

const toAccess = (config: MergedKubeconfig, contextName: string): Access => {
  const context = config.contexts.get(contextName)
  if (context === undefined) return refuse(config.where, `a context ${quote(contextName)}`, 'none')
  const { cluster: clusterName, user: userName, namespace = 'default' } = context.value
  if (clusterName === undefined) return refuse(`${context.where}, cluster`, 'the name of a cluster', 'nothing')
  const cluster = config.clusters.get(clusterName)
  if (cluster === undefined) return refuse(`${context.where}, cluster`, `a cluster ${quote(clusterName)}`, 'none')
  const user = userName === undefined ? nobody(context.where) : config.users.get(userName)
  if (user === undefined) return refuse(`${context.where}, user`, `a user ${quote(userName ?? '')}`, 'none')

  const { server: url, 'proxy-url': proxyUrl } = cluster.value
  if (url === undefined) return refuse(`${cluster.where}, server`, 'a URL', 'nothing')
  const server = toServer(`${cluster.where}, server`, url)
  const proxy = proxyUrl === undefined ? undefined : toProxy(`${cluster.where}, proxy-url`, proxyUrl)
  const { tls, caData } = toTls(cluster, user)
  const login = toLogin(user, cluster.value, caData)
  const access = { server, namespace, headers: toImpersonation(user), tls, proxy, login }
  if (server.protocol === 'https:' || login._tag === 'None') return access
  // as kubectl: all that lies between could read them
  return { ...access, login: { _tag: 'None' }, warning: `${user.where}: its credentials are not sent by http` }
}

const pathsOf = ({ path }: KubeconfigOptions, { env, homeDirectory }: Surroundings): ReadonlyArray<string> => {
  if (path !== undefined) return [path]
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((one) => one !== '')
  if (listed.length === 0) {
    const usual = join(homeDirectory, '.kube', 'config')
    if (existsSync(usual)) return [usual]
    return refuse('KUBECONFIG', 'a file, as there is no ".kube/config" in the home directory', 'nothing')
  }
  // as kubectl: some of them may not be there
  const found = listed.filter((one) => existsSync(one))
  return found.length > 0
    ? found
    : refuse('KUBECONFIG', 'a file that is there', listed.map((one) => quote(basename(one))).join(' and '))
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

const toOptions = (given: unknown): KubeconfigOptions => {
  if (given === undefined) return {}
  if (typeof given === 'string') return { path: given }
  if (typeof given !== 'object' || given === null) return refuse('option path', 'a text', typeof given)
  for (const [name, value] of Object.entries(given)) {
    if (name !== 'path' && name !== 'context') throw new TypeError(`unknown option ${name}, known: path, context`)
    if (value !== undefined && !isText(value)) refuse(`option ${name}`, 'a text', typeof value)
  }
  return given
}

/** Reads the files now. Throws a TypeError that names the file, and in it the context, cluster or user, and the field. */
export const readKubeconfig = (
  given: string | KubeconfigOptions | undefined,
  surroundings: Surroundings = { env: process.env, homeDirectory: homedir() },
): Access => {
  const options = toOptions(given)
  const config = readKubeconfigFiles(pathsOf(options, surroundings))
  const context = options.context ?? config.currentContext
  return context === undefined
    ? refuse(`${config.where}, current-context`, 'a context', 'nothing')
    : toAccess(config, context)
}
