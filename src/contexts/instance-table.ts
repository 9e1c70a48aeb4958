import type { ProvisionedApp, ProvisionedDatasource } from '../api/provisioning.ts'
import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { InstanceSettings, PluginContextRequest } from '../plugin.ts'
import { noOrg, notFound, toAppSettings, toDatasourceSettings, unconfiguredApp, uidOf } from './instance-settings.ts'

export interface InstanceTableOptions {
  /** Grafana's organisation behind a namespace, `undefined` for none. Default: `toOrgId`. */
  readonly orgOfNamespace?: (namespace: string) => number | undefined
  /**
   * What plugins read of Grafana's own configuration, such as `GF_APP_URL`, `GF_SQL_ROW_LIMIT` and
   * `GF_INSTANCE_FEATURE_TOGGLES_ENABLE`; on top of Grafana's defaults for SQL plugins.
   */
  readonly grafanaConfig?: Readonly<Record<string, string>>
}

export type InstanceTableSettings = Required<InstanceTableOptions>

export interface InstanceTable {
  readonly find: (request: PluginContextRequest) => E.Either<AggregatorError, InstanceSettings>
}

/**
 * What Grafana tells every plugin when nobody configures it; SQL plugins answer nothing without. Source: request.go of Grafana's
 * pluginconfig, and the defaults of `[sql_datasources]`, `[dataproxy]`, `[datasources]` and `[log]`.
 */
const grafanaDefaults = {
  GF_CONCURRENT_QUERY_COUNT: '10',
  GF_SQL_MAX_CONN_LIFETIME_SECONDS_DEFAULT: '14400',
  GF_SQL_MAX_IDLE_CONNS_DEFAULT: '100',
  GF_SQL_MAX_OPEN_CONNS_DEFAULT: '100',
  GF_SQL_ROW_LIMIT: '1000000',
  GF_USER_FACING_DEFAULT_ERROR: 'please inspect the log of the server for details',
} as const

/** Organisation of a namespace as Grafana names them: `default` and a hosted stack's `stacks-<n>` are 1, `org-<n>` is n. */
export const toOrgId = (namespace: string): number | undefined => {
  if (namespace === 'default' || /^stacks-\d+$/.test(namespace)) return 1
  const id = Number(/^org-([1-9]\d*)$/.exec(namespace)?.[1])
  return Number.isSafeInteger(id) ? id : undefined
}

/**
 * Fills in the defaults. The configuration is one object for all plugins and calls, its keys sorted: a plugin builds its instances
 * anew when it changes. Throws a TypeError for a value that is no text.
 */
export const toTableSettings = ({
  orgOfNamespace = toOrgId,
  grafanaConfig: given = {},
}: InstanceTableOptions): InstanceTableSettings => {
  const entries: ReadonlyArray<readonly [string, unknown]> = Object.entries({ ...grafanaDefaults, ...given })
  const texts = entries.map(([name, value]): readonly [string, string] => {
    if (typeof value === 'string') return [name, value]
    throw new TypeError(`option grafanaConfig.${name}: expected a text, got ${typeof value}`)
  })
  const sorted = texts.toSorted(([a], [b]) => (a < b ? -1 : 1))
  return { orgOfNamespace, grafanaConfig: Object.freeze(Object.fromEntries(sorted)) }
}

export interface InstanceTableInput {
  readonly datasources: Iterable<ProvisionedDatasource>
  readonly apps: Iterable<ProvisionedApp>
  readonly settings: InstanceTableSettings
  /** Of two with one uid, or two of one app, the first is found; this hears of the second. */
  readonly onDuplicate: (kind: 'datasources' | 'apps', name: string) => void
  /** The answer for what is not here while the table may lack something. Default: it does not exist. */
  readonly missing?: AggregatorError
}

/**
 * Instances by organisation and uid (datasources) or plugin id (apps). An app without an entry has empty settings, as in
 * Grafana, since its plugin cannot do without any.
 */
export const createInstanceTable = ({
  datasources,
  apps,
  settings: { orgOfNamespace, grafanaConfig },
  onDuplicate,
  missing,
}: InstanceTableInput): InstanceTable => {
  const keyOf = (orgId: number, name: string): string => `${String(orgId)} ${name}`
  const datasourcesByKey = new Map<string, { readonly type: string; readonly settings: InstanceSettings }>()
  const appsByKey = new Map<string, InstanceSettings>()

  for (const entry of datasources) {
    const { orgId, type, uid = uidOf(entry.name) } = entry
    const key = keyOf(orgId, uid)
    const dataSourceInstanceSettings = toDatasourceSettings(entry, uid, [orgId, uid])
    if (datasourcesByKey.has(key)) onDuplicate('datasources', uid)
    else datasourcesByKey.set(key, { type, settings: { orgId, dataSourceInstanceSettings, grafanaConfig } })
  }
  for (const entry of apps) {
    const { orgId, type } = entry
    const key = keyOf(orgId, type)
    if (appsByKey.has(key)) onDuplicate('apps', type)
    else appsByKey.set(key, { orgId, appInstanceSettings: toAppSettings(entry), grafanaConfig })
  }

  return {
    find: ({ pluginId, pluginType, uid, namespace }) => {
      const orgId = namespace === '' ? noOrg : orgOfNamespace(namespace)
      if (orgId === undefined) return E.left(notFound('namespaces', namespace))
      if (pluginType === 'app') {
        const app = appsByKey.get(keyOf(orgId, pluginId))
        if (app === undefined && missing !== undefined) return E.left(missing)
        return E.right(app ?? { orgId, appInstanceSettings: unconfiguredApp, grafanaConfig })
      }
      if (uid === undefined) return E.right({ orgId, grafanaConfig })
      const found = datasourcesByKey.get(keyOf(orgId, uid))
      return found?.type === pluginId ? E.right(found.settings) : E.left(missing ?? notFound('datasources', uid))
    },
  }
}
