import { systemClock, type Clock } from '../clock.ts'
import { E } from '../fp.ts'
import { integerOption } from '../integer-option.ts'
import { checkKubernetesApi, type KubernetesApi, type KubernetesFailure, type ObjectChange } from '../kubernetes.ts'
import { safeLogger, silentLogger, type Logger } from '../logger.ts'
import { checkOptionNames } from '../option-names.ts'
import type { PluginContextProvider } from '../plugin.ts'
import { unlessAborted } from './abortable.ts'
import { notFound } from './instance-settings.ts'
import type { InstanceTableOptions } from './instance-table.ts'
import { createKubernetesInstances } from './kubernetes-instances.ts'
import { createNamespaceSettings } from './namespace-settings.ts'

/** `orgOfNamespace` by default: `org-<n>` is n, every other namespace is 1. */
export interface KubernetesContextsOptions extends InstanceTableOptions {
  /** The only namespace that is read and served. Default: all. */
  readonly namespace?: string
  /** The collection of the objects. Default: `datasources` of `datasource.grafana.app/v0alpha1`. */
  readonly resource?: { readonly group: string; readonly version: string; readonly resource: string }
  /** Which Secrets are read at all. Default: `aggregation.grafana.app/secret=datasource`. */
  readonly secretLabelSelector?: string
  /** How long requests wait for the first lists, ms since the start, default 5000; after that they are refused until the lists are there. */
  readonly startTimeoutMs?: number
  readonly logger?: Logger
  /** Default: the system's. */
  readonly clock?: Clock
}

const names: Readonly<Record<keyof KubernetesContextsOptions, true>> = {
  namespace: true,
  resource: true,
  secretLabelSelector: true,
  startTimeoutMs: true,
  orgOfNamespace: true,
  grafanaConfig: true,
  logger: true,
  clock: true,
}

const datasources = { group: 'datasource.grafana.app', version: 'v0alpha1', resource: 'datasources' }

/** Checks what is to be a part of a path, or a selector: an empty one would read something else, or everything. */
const textOption = (option: string, value: unknown): string => {
  if (typeof value === 'string' && value !== '' && !value.includes('/')) return value
  throw new TypeError(`expected option ${option} to be a text without "/", got ${JSON.stringify(value)}`)
}

const selectorOption = (value: unknown): string => {
  if (typeof value === 'string' && value.trim() !== '') return value
  throw new TypeError('expected option secretLabelSelector to be a label selector, got none: all Secrets are too many')
}

const toPaths = ({ namespace, resource = datasources }: KubernetesContextsOptions) => {
  const group = textOption('resource.group', resource.group)
  const version = textOption('resource.version', resource.version)
  const plural = textOption('resource.resource', resource.resource)
  const within = namespace === undefined ? '' : `namespaces/${encodeURIComponent(textOption('namespace', namespace))}/`
  return {
    objects: `/apis/${[group, version].map(encodeURIComponent).join('/')}/${within}${encodeURIComponent(plural)}`,
    secrets: `/api/v1/${within}secrets`,
  }
}

const describe = (failure: KubernetesFailure): string =>
  failure._tag === 'Cancelled' ? 'the connection is closed' : failure.message

/**
 * Instance settings out of a cluster: DataSource objects, and those Secrets that carry a label, both followed, so that a look-up asks
 * nobody and the last known serves while the apiserver is away. A changed object or Secret serves at once. An object is found by the
 * namespace of the request and its own name: the uid of a datasource, the plugin id of an app (`spec.pluginType: app`); `spec.type`
 * must be the plugin that asks. `secure` names Secrets of the same namespace. A wrong object serves on as it was; one whose Secret is
 * gone, or lost its label, does not. `lastUpdatedMS` and `id` are hashes, as of `provisionedContexts`. Throws a TypeError on a wrong
 * option.
 */
export const kubernetesContexts = (
  api: KubernetesApi,
  options: KubernetesContextsOptions = {},
): PluginContextProvider => {
  checkKubernetesApi(api)
  checkOptionNames(options, names)
  const { clock = systemClock, namespace } = options
  const logger = safeLogger(options.logger ?? silentLogger)
  const startTimeoutMs = integerOption('startTimeoutMs', options.startTimeoutMs, 5000, 0)
  const secretLabelSelector = selectorOption(options.secretLabelSelector ?? 'aggregation.grafana.app/secret=datasource')
  const settings = createNamespaceSettings(options)
  const paths = toPaths(options)
  const instances = createKubernetesInstances(settings, secretLabelSelector, logger)

  let isStarting = true
  let endStart = (): void => undefined
  const start = new Promise<E.Either<never, undefined>>((resolve) => {
    endStart = () => {
      isStarting = false
      resolve(E.right(undefined))
    }
  })
  const cancelTimer = clock.setTimeout(endStart, startTimeoutMs)
  const unlisted = new Set(['datasources', 'Secrets'])

  const connection = api.connect({ logger, clock })
  const follow = (
    what: 'datasources' | 'Secrets',
    path: string,
    change: (changes: ReadonlyArray<ObjectChange>) => void,
    selector: { readonly labelSelector?: string } = {},
  ) =>
    connection.follow(
      { path, ...selector },
      {
        changed: (changes) => {
          change(changes)
          if (!unlisted.delete(what)) return
          logger.info(`${what} are read`, { count: changes.length })
          if (unlisted.size > 0) return
          cancelTimer()
          endStart()
        },
        failed: (failure) => {
          const meanwhile = unlisted.has(what) ? 'none is known' : 'the last known serve on'
          logger.warn(`${what} cannot be read, ${meanwhile}: ${describe(failure)}`, { apiserver: connection.origin })
        },
        recovered: () => {
          logger.info(`${what} can be read again`, { apiserver: connection.origin })
        },
      },
    )
  const followings = [
    follow('Secrets', paths.secrets, instances.changeSecrets, { labelSelector: secretLabelSelector }),
    follow('datasources', paths.objects, instances.changeObjects),
  ]

  return {
    getInstanceSettings: (request, signal) => async () => {
      const answer = settings.answerWithout(request)
      if (answer !== undefined) return answer
      // What lies elsewhere was never read: nobody may take it for unconfigured.
      if (namespace !== undefined && request.namespace !== namespace) {
        return E.left(notFound('namespaces', request.namespace))
      }
      const started = isStarting ? await unlessAborted(start, signal) : E.right(undefined)
      return E.flatMap(() => instances.find(request))(started)
    },
    close: async () => {
      cancelTimer()
      endStart()
      await Promise.all(followings.map((following) => following.close()))
      await connection.close()
    },
  }
}
