import { createHash } from 'node:crypto'

import type { ProvisionedApp, ProvisionedDatasource } from '../api/provisioning.ts'
import type { AggregatorError } from '../errors.ts'
import type { AppInstanceSettings, DataSourceInstanceSettings } from '../plugin.ts'

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
export const uidOf = (name: string): string =>
  `P${createHash('sha256').update(name).digest('hex').slice(0, 16)}`.toUpperCase()

/**
 * A time only in form, between 2004 and 2039: 40 bits of the content's hash. So it changes with any change of settings or
 * secrets, wherever that came from (file, variable, another file), stays with the same content through restarts, and is the
 * same in every replica. A file's time can do none of these.
 */
const lastUpdatedMS = (content: unknown): number => 2 ** 40 + hash(content).readUIntBE(0, 5)

/** The plugin SDK keeps one instance per id: two datasources must never share one. 48 bits of a hash of what identifies it. */
const idOf = (identity: ReadonlyArray<number | string>): number => 1 + hash(identity).readUIntBE(0, 6)

/** What a plugin is told of its app. */
export const toAppSettings = ({
  jsonData,
  secureJsonData,
}: Omit<ProvisionedApp, 'orgId' | 'type'>): AppInstanceSettings => ({
  jsonData: Buffer.from(canonicalJson(jsonData)),
  decryptedSecureJsonData: secureJsonData,
  lastUpdatedMS: lastUpdatedMS([jsonData, secureJsonData]),
})

/** Of an app that nobody configured: as in Grafana, since its plugin cannot do without any. */
export const unconfiguredApp = toAppSettings({ jsonData: {}, secureJsonData: {} })

/** What a plugin is told of a datasource. `identity`: what no other datasource of this provider has, its place and uid. */
export const toDatasourceSettings = (
  entry: ProvisionedDatasource,
  uid: string,
  identity: ReadonlyArray<number | string>,
): DataSourceInstanceSettings => ({
  id: idOf(identity),
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

/** Shape: `datasources "p1" not found`. */
export const notFound = (kind: string, name: string): AggregatorError => ({
  _tag: 'NotFound',
  message: `${kind} "${name}" not found`,
  details: { name, kind },
})

/** While nobody can say what there is. */
export const settingsUnavailable: AggregatorError = {
  _tag: 'PluginUnavailable',
  message: 'instance settings cannot be read at present',
  retryAfterSeconds: 5,
}

/** The organisation of what lies in no namespace. */
export const noOrg = 0
