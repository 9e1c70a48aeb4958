import { resolve, sep } from 'node:path'

import type { KubeconfigCluster, KubeconfigExec, KubeconfigUser } from '../api/kubeconfig.ts'
import { quote } from '../decode.ts'
import type { Access, Login } from './access.ts'
import { isHeaderText, refuse, toBearer } from './check.ts'
import type { ExecPlugin } from './exec-plugin.ts'
import { secretLimitBytes } from './file-text.ts'
import { readFileNow, type Entry } from './kubeconfig-files.ts'

const execVersions = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'] as const

/** Of the extensions of a cluster, the one that is meant for the command. */
const execExtension = 'client.authentication.k8s.io/exec'

const clusterInfo = (cluster: KubeconfigCluster, caData: string | undefined): ExecPlugin['cluster'] => ({
  server: cluster.server,
  'tls-server-name': cluster['tls-server-name'],
  'insecure-skip-tls-verify': cluster['insecure-skip-tls-verify'],
  'certificate-authority-data': caData,
  'proxy-url': cluster['proxy-url'],
  config: cluster.extensions?.find(({ name }) => name === execExtension)?.extension,
})

const toExecPlugin = (
  { where, directory }: Entry<KubeconfigUser>,
  exec: KubeconfigExec,
  cluster: KubeconfigCluster,
  caData: string | undefined,
): ExecPlugin => {
  const { apiVersion, command, args = [], env = [], installHint = '', interactiveMode } = exec
  if (command === undefined) return refuse(`${where}, exec.command`, 'a command', 'nothing')
  const version = execVersions.find((one) => one === apiVersion)
  if (version === undefined) {
    return refuse(`${where}, exec.apiVersion`, execVersions.join(' or '), quote(apiVersion ?? ''))
  }
  if (interactiveMode === undefined ? version === execVersions[0] : !/^(Never|IfAvailable)$/.test(interactiveMode)) {
    return refuse(`${where}, exec.interactiveMode`, 'Never or IfAvailable', `${quote(interactiveMode ?? '')}`)
  }
  return {
    apiVersion: version,
    command: command.includes('/') || command.includes(sep) ? resolve(directory, command) : command,
    args,
    env: Object.fromEntries(env.map(({ name, value = '' }) => [name, value])),
    installHint,
    cluster: exec.provideClusterInfo === true ? clusterInfo(cluster, caData) : undefined,
  }
}

/** How to log in. More than one way would leave open which counts. */
export const toLogin = (
  entry: Entry<KubeconfigUser>,
  cluster: KubeconfigCluster,
  caData: string | undefined,
): Login => {
  const { where, directory, value } = entry
  const { token, tokenFile, username, password, exec } = value
  if (value['auth-provider'] !== undefined)
    return refuse(`${where}, auth-provider`, 'exec', 'a provider: those are gone from kubectl, too')
  const hasToken = token !== undefined || tokenFile !== undefined
  const hasPassword = username !== undefined || password !== undefined
  const ways = [hasToken && 'token', hasPassword && 'username', exec !== undefined && 'exec'].filter(
    (way) => way !== false,
  )
  if (ways.length > 1) return refuse(where, 'one way to log in', ways.join(' and '))

  if (exec !== undefined) return { _tag: 'Exec', plugin: toExecPlugin(entry, exec, cluster, caData) }
  if (tokenFile !== undefined) {
    const path = resolve(directory, tokenFile)
    // with a token beside it, it may come later
    if (token === undefined) {
      const field = `${where}, tokenFile`
      toBearer(field, readFileNow(field, path, secretLimitBytes).trim())
    } else toBearer(`${where}, token`, token)
    return { _tag: 'TokenFile', path, fallback: token }
  }
  if (token !== undefined) return { _tag: 'Fixed', authorization: toBearer(`${where}, token`, token) }
  if (!hasPassword) return { _tag: 'None' }
  // RFC 7617, 2: what the colon ends
  if (username?.includes(':') === true) return refuse(`${where}, username`, 'one without a colon', 'one with')
  const login = Buffer.from(`${username ?? ''}:${password ?? ''}`).toString('base64')
  return { _tag: 'Fixed', authorization: `Basic ${login}` }
}

/** Names and groups may be of any script; Node writes headers as Latin-1. */
const toHeader = (where: string, text: string): string => {
  const bytes = Buffer.from(text).toString('latin1')
  return isHeaderText(bytes) && bytes.trim() === bytes
    ? bytes
    : refuse(where, 'a text that a header can carry', 'another one')
}

/** The key of an extra may be anything; a header's name may not. Source: headerKeyEscape of client-go. */
const escapeKey = (key: string): string =>
  [...Buffer.from(key)]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      return /[A-Za-z0-9!#$&'*+.^_`|~-]/.test(character)
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')

/** As whom else to ask. Source: ImpersonationConfig of client-go. */
export const toImpersonation = ({ where, value }: Entry<KubeconfigUser>): Access['headers'] => {
  const { as, 'as-uid': uid, 'as-groups': groups = [], 'as-user-extra': extra = {} } = value
  if (as === undefined && (uid !== undefined || groups.length > 0 || Object.keys(extra).length > 0))
    return refuse(`${where}, as`, 'a user beside its uid, groups or extra', 'nothing')
  return {
    ...(as === undefined ? {} : { 'Impersonate-User': toHeader(`${where}, as`, as) }),
    ...(uid === undefined ? {} : { 'Impersonate-Uid': toHeader(`${where}, as-uid`, uid) }),
    ...(groups.length === 0
      ? {}
      : { 'Impersonate-Group': groups.map((group) => toHeader(`${where}, as-groups`, group)) }),
    ...Object.fromEntries(
      Object.entries(extra).map(([key, values]) => [
        `Impersonate-Extra-${escapeKey(key)}`,
        values.map((one) => toHeader(`${where}, as-user-extra`, one)),
      ]),
    ),
  }
}
