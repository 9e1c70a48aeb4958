import type { ProvisionedApp, ProvisionedDatasource } from '../api/provisioning.ts'
import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { InstanceSettings, PluginContextRequest } from '../plugin.ts'
import { noOrg, notFound, toAppSettings, toDatasourceSettings, unconfiguredApp } from './instance-settings.ts'
import { toOrgId, toTableSettings, type InstanceTableOptions } from './instance-table.ts'

type Answer = E.Either<AggregatorError, InstanceSettings>

/** Settings of instances that belong to a namespace: two of one uid in two namespaces are two, also where the organisation is one. */
export interface NamespaceSettings {
  /** The answer to what concerns no instance of a namespace; `undefined`: look for the instance. */
  readonly answerWithout: (request: PluginContextRequest) => Answer | undefined
  /** Fails with NotFound: the namespace has no organisation. */
  readonly toDatasource: (namespace: string, uid: string, entry: ProvisionedDatasource) => Answer
  readonly toApp: (namespace: string, entry: ProvisionedApp) => Answer
  /** The answer where an instance is not. */
  readonly missing: (request: PluginContextRequest) => Answer
}

/** Namespaces of a cluster are free text: what is no `org-<n>` is of the one organisation that there is. */
const toOrgIdOfCluster = (namespace: string): number => toOrgId(namespace) ?? 1

/** Throws a TypeError on a wrong option. */
export const createNamespaceSettings = (options: InstanceTableOptions): NamespaceSettings => {
  const { orgOfNamespace, grafanaConfig } = toTableSettings({ orgOfNamespace: toOrgIdOfCluster, ...options })

  const withOrg = (
    namespace: string,
    settingsOf: (orgId: number) => Omit<InstanceSettings, 'grafanaConfig'>,
  ): Answer => {
    const orgId = namespace === '' ? noOrg : orgOfNamespace(namespace)
    return orgId === undefined
      ? E.left(notFound('namespaces', namespace))
      : E.right({ ...settingsOf(orgId), grafanaConfig })
  }
  const unconfigured = (namespace: string): Answer =>
    withOrg(namespace, (orgId) => ({ orgId, appInstanceSettings: unconfiguredApp }))

  return {
    answerWithout: ({ pluginType, uid, namespace }) => {
      if (pluginType === 'app') return namespace === '' ? unconfigured(namespace) : undefined
      return uid === undefined ? withOrg(namespace, (orgId) => ({ orgId })) : undefined
    },
    toDatasource: (namespace, uid, entry) =>
      withOrg(namespace, (orgId) => ({
        orgId,
        dataSourceInstanceSettings: toDatasourceSettings({ ...entry, orgId }, uid, [namespace, uid]),
      })),
    toApp: (namespace, entry) => withOrg(namespace, (orgId) => ({ orgId, appInstanceSettings: toAppSettings(entry) })),
    missing: ({ pluginType, uid, namespace }) =>
      pluginType === 'app' ? unconfigured(namespace) : E.left(notFound('datasources', uid ?? '')),
  }
}
