import type { KubernetesApi } from '../kubernetes.ts'
import { toApiServer, type ApiServerOptions } from './api-server.ts'
import { toApi } from './connection.ts'
import { readInCluster } from './in-cluster.ts'
import { readKubeconfig, type KubeconfigOptions } from './kubeconfig.ts'

export type { ApiServerOptions, KubeconfigOptions }

/**
 * The apiserver and the user that a kubeconfig names, as kubectl reads it: `kubeconfig()`, `kubeconfig('./admin.conf')`,
 * `kubeconfig({ context: 'prod' })`. The file is read now; files that it names, once more when they change. Throws a TypeError that names
 * what is wrong in it.
 */
export const kubeconfig = (given?: string | KubeconfigOptions): KubernetesApi => toApi(readKubeconfig(given))

/** The apiserver of the cluster that this runs in, as its pod's service account. Throws a TypeError anywhere else. */
export const inCluster = (): KubernetesApi => toApi(readInCluster())

/**
 * An apiserver by its URL: `apiServer('https://10.0.0.1:6443', { tokenFile: '/run/token', ca })`. A login goes over http to this host only.
 * Throws a TypeError that names a wrong option.
 */
export const apiServer = (url: string | URL, options: ApiServerOptions = {}): KubernetesApi =>
  toApi(toApiServer(url, options))
