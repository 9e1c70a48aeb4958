import { createHash } from 'node:crypto'

import type { ProvisionedApp, ProvisionedDatasource } from '../api/provisioning.ts'
import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type {
  AppInstanceSettings,
  DataSourceInstanceSettings,
  InstanceSettings,
  PluginContextRequest,
} from '../plugin.ts'

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

/** JSON with sorted keys: the same content is the same text, whatever order it was written in. */
const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined)
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`)
    .join()}}`
}

const hash = (value: unknown): Buffer => createHash('sha256').update(canonicalJson(value)).digest()

/** Source: Grafana's uid for a provisioned datasource without one: `P` and 8 bytes of SHA-256 of the name. */
const uidOf = (name: string): string => `P${createHash('sha256').update(name).digest('hex').slice(0, 16)}`.toUpperCase()

/**
 * A time only in form, between 2004 and 2039: 40 bits of the content's hash. So it changes with any change of settings or
 * secrets, wherever that came from (file, variable, another file), stays with the same content through restarts, and is the
 * same in every replica. A file's time can do none of these.
 */
const lastUpdatedMS = (content: unknown): number => 2 ** 40 + hash(content).readUIntBE(0, 5)

/** The plugin SDK keeps one instance per id: two datasources must never share one. 48 bits of a hash of what identifies it. */
const idOf = (orgId: number, uid: string): number => 1 + hash([orgId, uid]).readUIntBE(0, 6)

const toAppSettings = ({ jsonData, secureJsonData }: Omit<ProvisionedApp, 'orgId' | 'type'>): AppInstanceSettings => ({
  jsonData: Buffer.from(canonicalJson(jsonData)),
  decryptedSecureJsonData: secureJsonData,
  lastUpdatedMS: lastUpdatedMS([jsonData, secureJsonData]),
})

const unconfiguredApp = toAppSettings({ jsonData: {}, secureJsonData: {} })

const toDatasourceSettings = (entry: ProvisionedDatasource, uid: string): DataSourceInstanceSettings => ({
  id: idOf(entry.orgId, uid),
  uid,
  name: entry.name,
  url: entry.url,
  user: entry.user,
  database: entry.database,
  basicAuthEnabled: entry.basicAuth,
  basicAuthUser: entry.basicAuthUser,
  jsonData: Buffer.from(canonicalJson(entry.jsonData)),
  decryptedSecureJsonData: entry.secureJsonData,
  lastUpdatedMS: lastUpdatedMS({ ...entry, uid }),
})

const notFound = (kind: string, name: string): AggregatorError => ({
  _tag: 'NotFound',
  message: `${kind} "${name}" not found`,
  details: { name, kind },
})

/** The organisation of what lies in no namespace. */
const noOrg = 0

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
    const dataSourceInstanceSettings = toDatasourceSettings(entry, uid)
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
