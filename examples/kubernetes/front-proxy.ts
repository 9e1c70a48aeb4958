import {
  frontProxyUser,
  type Authenticate,
  type KubernetesApi,
  type KubernetesObject,
  type Logger,
} from 'dataplane-aggregator'

/** How kube-apiserver is known when it sends a request on: by a client certificate of this authority, and one of these names. */
export interface FrontProxy {
  readonly ca: string
  readonly authenticate: Authenticate
}

const place = 'ConfigMap kube-system/extension-apiserver-authentication'

/** Throws what is missing, for the log. */
const toFrontProxy = (object: KubernetesObject | undefined): FrontProxy => {
  if (object === undefined) throw new Error('it is not there: kube-apiserver makes it when it starts')
  const { 'requestheader-client-ca-file': ca, 'requestheader-allowed-names': names = '[]' } = (object['data'] ??
    {}) as Partial<Record<string, string>>
  if (ca === undefined)
    throw new Error('it has no requestheader-client-ca-file: start kube-apiserver with --requestheader-client-ca-file')
  return { ca, authenticate: frontProxyUser({ allowedNames: JSON.parse(names) as ReadonlyArray<string> }) }
}

/**
 * Follows what kube-apiserver says of itself, as every extension apiserver does, because its authority is replaced now and then.
 * What cannot be read is logged, and the last one stays.
 */
export const followFrontProxy = (
  api: KubernetesApi,
  logger: Logger,
  changed: (frontProxy: FrontProxy) => void,
): { readonly close: () => Promise<void> } => {
  const connection = api.connect({ logger })
  connection.follow(
    {
      path: '/api/v1/namespaces/kube-system/configmaps',
      fieldSelector: 'metadata.name=extension-apiserver-authentication',
    },
    {
      changed: (changes) => {
        try {
          changed(toFrontProxy(changes.at(-1)?.object))
        } catch (error) {
          logger.error(`${place} says not who may send requests here`, { error })
        }
      },
      failed: (failure) => logger.error(`${place} cannot be read`, { failure }),
      recovered: () => logger.info(`${place} can be read again`),
    },
  )
  return connection
}
