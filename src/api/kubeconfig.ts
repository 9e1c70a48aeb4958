import * as t from 'io-ts'

import { decodeWith } from '../decode.ts'
import { type E, pipe } from '../fp.ts'
import type { StatusCause } from './status.ts'

const texts = t.array(t.string, 'an array')

const Cluster = t.partial({
  server: t.string,
  'certificate-authority': t.string,
  'certificate-authority-data': t.string,
  'insecure-skip-tls-verify': t.boolean,
  'tls-server-name': t.string,
  'proxy-url': t.string,
  extensions: t.array(t.type({ name: t.string, extension: t.unknown })),
})

const Exec = t.partial({
  apiVersion: t.string,
  command: t.string,
  args: texts,
  env: t.array(t.intersection([t.type({ name: t.string }), t.partial({ value: t.string })])),
  installHint: t.string,
  provideClusterInfo: t.boolean,
  interactiveMode: t.string,
})

const User = t.partial({
  'client-certificate': t.string,
  'client-certificate-data': t.string,
  'client-key': t.string,
  'client-key-data': t.string,
  token: t.string,
  tokenFile: t.string,
  username: t.string,
  password: t.string,
  as: t.string,
  'as-uid': t.string,
  'as-groups': texts,
  'as-user-extra': t.record(t.string, texts, 'a map of arrays'),
  'auth-provider': t.unknown,
  exec: Exec,
})

const Context = t.partial({ cluster: t.string, user: t.string, namespace: t.string })

const Kubeconfig = t.partial({
  kind: t.literal('Config', '"Config"'),
  'current-context': t.string,
  clusters: t.array(t.intersection([t.type({ name: t.string }), t.partial({ cluster: Cluster })])),
  contexts: t.array(t.intersection([t.type({ name: t.string }), t.partial({ context: Context })])),
  users: t.array(t.intersection([t.type({ name: t.string }), t.partial({ user: User })])),
})

export type KubeconfigCluster = t.TypeOf<typeof Cluster>
export type KubeconfigExec = t.TypeOf<typeof Exec>
export type KubeconfigUser = t.TypeOf<typeof User>
export type KubeconfigContext = t.TypeOf<typeof Context>

/** One file of it, as kubectl reads it. Source: k8s.io/client-go/tools/clientcmd/api/v1. */
export type Kubeconfig = t.TypeOf<typeof Kubeconfig>

/** To kubectl, a field that is empty is none. */
const withoutEmpty = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutEmpty)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, inner]) => inner !== null && inner !== '')
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutEmpty(inner)]))
}

/** Decodes the value of a kubeconfig; empty fields are left out, unknown ones pass. Left: one cause for each wrong field. Pure. */
export const parseKubeconfig = (value: unknown): E.Either<ReadonlyArray<StatusCause>, Kubeconfig> =>
  pipe(withoutEmpty(value), decodeWith(Kubeconfig))
