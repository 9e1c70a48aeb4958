import { existsSync } from 'node:fs'
import { join } from 'node:path'

import type { Access } from './access.ts'
import { checkPems, refuse, toBearer, toServer } from './check.ts'
import { secretLimitBytes } from './file-text.ts'
import { readFileNow } from './kubeconfig-files.ts'

/** What the kubelet gives to a container. */
export interface PodSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly directory: string
}

/** Source: rest.InClusterConfig of client-go. */
const ofThisPod = (): PodSurroundings => ({
  env: process.env,
  directory: '/var/run/secrets/kubernetes.io/serviceaccount',
})

const isIpv6 = (host: string): boolean => host.includes(':') && !host.startsWith('[')

/** The apiserver of the cluster that this runs in, as its pod's service account. Throws a TypeError where there is none. */
export const readInCluster = ({ env, directory }: PodSurroundings = ofThisPod()): Access => {
  const variable = (name: string): string =>
    env[name] || refuse(`variable ${name}`, 'the address of the apiserver, as it is set in pods', 'nothing')
  const host = variable('KUBERNETES_SERVICE_HOST')
  const port = variable('KUBERNETES_SERVICE_PORT')
  const file = (name: string): { readonly path: string; readonly text: string } => {
    const path = join(directory, name)
    return { path, text: readFileNow(`service account, file "${name}"`, path, secretLimitBytes).trim() }
  }
  const token = file('token')
  toBearer('service account, file "token"', token.text)
  const ca = file('ca.crt')
  const where = 'service account, file "ca.crt"'
  checkPems({ where, pem: ca.text }, undefined, undefined, { cert: where, key: where })
  const namespace = existsSync(join(directory, 'namespace')) ? file('namespace').text : ''
  return {
    server: toServer('variables KUBERNETES_SERVICE_*', `https://${isIpv6(host) ? `[${host}]` : host}:${port}`),
    namespace: namespace || 'default',
    headers: {},
    tls: { ca: { path: ca.path }, cert: undefined, key: undefined, serverName: undefined, isInsecure: false },
    proxy: undefined,
    login: { _tag: 'TokenFile', path: token.path, fallback: undefined },
  }
}
