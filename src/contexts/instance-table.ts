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
  /** What plugins read of Grafana's own configuration, on top of the limits without which SQL plugins refuse to start. */
  readonly grafanaConfig?: Readonly<Record<string, string>>
}

export interface InstanceTable {
  readonly find: (request: PluginContextRequest) => E.Either<AggregatorError, InstanceSettings>
}

/** Source: defaults of Grafana's `[sql_datasources]`, sent to every plugin. */
const sqlDefaults = {
  GF_SQL_MAX_CONN_LIFETIME_SECONDS_DEFAULT: '14400',
  GF_SQL_MAX_IDLE_CONNS_DEFAULT: '100',
  GF_SQL_MAX_OPEN_CONNS_DEFAULT: '100',
} as const

/** Organisation of a namespace as Grafana names them: `default` and a hosted stack's `stacks-<n>` are 1, `org-<n>` is n. */
export const toOrgId = (namespace: string): number | undefined => {
  if (namespace === 'default' || /^stacks-\d+$/.test(namespace)) return 1
  const id = Number(/^org-([1-9]\d*)$/.exec(namespace)?.[1])
  return Number.isSafeInteger(id) ? id : undefined
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

const toAppSettings = ({ jsonData, secureJsonData }: ProvisionedApp): AppInstanceSettings => ({
  jsonData: Buffer.from(canonicalJson(jsonData)),
  decryptedSecureJsonData: secureJsonData,
  lastUpdatedMS: lastUpdatedMS([jsonData, secureJsonData]),
})

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

const notFound = (kind: string, name: string): E.Either<AggregatorError, never> =>
  E.left({ _tag: 'NotFound', message: `${kind} "${name}" not found`, details: { name, kind } })

/** The organisation of what lies in no namespace. */
const noOrg = 0

/**
 * Instances by organisation and uid (datasources) or plugin id (apps). Of two with one uid the first is found, and `onDuplicate`
 * is told of the second. An app without settings has empty ones, as in Grafana, since its plugin cannot do without.
 */
export const createInstanceTable = (
  datasources: Iterable<ProvisionedDatasource>,
  apps: Iterable<ProvisionedApp>,
  { orgOfNamespace = toOrgId, grafanaConfig: given = {} }: InstanceTableOptions,
  onDuplicate: (name: string) => void,
): InstanceTable => {
  const config = Object.entries({ ...sqlDefaults, ...given }).sort(([a], [b]) => (a < b ? -1 : 1))
  const grafanaConfig = Object.freeze(Object.fromEntries(config))
  const types = new Map<string, string>()
  const instances = new Map<string, InstanceSettings>()
  const keyOf = (kind: string, orgId: number, name: string): string => `${kind} ${String(orgId)} ${name}`
  const add = (key: string, type: string, name: string, settings: InstanceSettings): void => {
    if (instances.has(key)) onDuplicate(name)
    else instances.set(key, Object.freeze(settings))
    if (!types.has(key)) types.set(key, type)
  }

  for (const entry of datasources) {
    const { orgId, type, uid = uidOf(entry.name) } = entry
    const dataSourceInstanceSettings = toDatasourceSettings(entry, uid)
    add(keyOf('datasource', orgId, uid), type, uid, { orgId, dataSourceInstanceSettings, grafanaConfig })
  }
  for (const entry of apps) {
    const { orgId, type } = entry
    add(keyOf('app', orgId, type), type, type, { orgId, appInstanceSettings: toAppSettings(entry), grafanaConfig })
  }

  return {
    find: ({ pluginId, pluginType, uid, namespace }) => {
      const orgId = namespace === '' ? noOrg : orgOfNamespace(namespace)
      if (orgId === undefined) return notFound('namespaces', namespace)
      if (pluginType === 'app') {
        const empty = { orgId, type: pluginId, jsonData: {}, secureJsonData: {} }
        const appInstanceSettings = toAppSettings(empty)
        return E.right(instances.get(keyOf('app', orgId, pluginId)) ?? { orgId, appInstanceSettings, grafanaConfig })
      }
      if (uid === undefined) return E.right({ orgId, grafanaConfig })
      const key = keyOf('datasource', orgId, uid)
      const settings = types.get(key) === pluginId ? instances.get(key) : undefined
      return settings === undefined ? notFound('datasources', uid) : E.right(settings)
    },
  }
}
