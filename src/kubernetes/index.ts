import type { KubernetesApi } from '../kubernetes.ts'
import type { Access } from './access.ts'
import { toApiServer, type ApiServerOptions } from './api-server.ts'
import { createConnection } from './connection.ts'
import { readInCluster } from './in-cluster.ts'
import { readKubeconfig, type KubeconfigOptions } from './kubeconfig.ts'

export type { ApiServerOptions } from './api-server.ts'
export type { KubeconfigOptions } from './kubeconfig.ts'

const apiOf = (access: Access): KubernetesApi => ({ connect: (options) => createConnection(access, options) })

/**
 * The apiserver that kubectl talks to: of a path, else of the variable KUBECONFIG, else of `~/.kube/config`. Reads the file at once;
 * files that it names (tokens, certificates) are read again as they change. Throws a TypeError that names what is wrong. Source: the
 * kubeconfig of client-go, without `auth-provider` and SOCKS proxies.
 */
export const kubeconfig = (options?: string | KubeconfigOptions): KubernetesApi => apiOf(readKubeconfig(options))

/** The apiserver of the cluster that this pod runs in, as its service account. Throws a TypeError outside of a cluster. */
export const inCluster = (): KubernetesApi => apiOf(readInCluster())

/** An apiserver by its URL. Throws a TypeError that names a wrong option. */
export const apiServer = (url: string | URL, options: ApiServerOptions = {}): KubernetesApi =>
  apiOf(toApiServer(url, options))
