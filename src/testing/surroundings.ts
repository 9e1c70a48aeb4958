import type { PluginJson } from '../api/plugin-json.ts'
import { parsePluginJson } from '../api/plugin-json.ts'
import { describeCauses } from '../decode.ts'
import type { AggregatorError } from '../errors.ts'
import { E, TE } from '../fp.ts'
import type {
  AppInstanceSettings,
  DataSourceInstanceSettings,
  InstanceSettings,
  PluginContextProvider,
  PluginContextRequest,
} from '../plugin.ts'
import { error } from './error-station.ts'
import { bytes, flag, mapOf, maybe, number, object, optional, text, type Read } from './station.ts'

/**
 * `instance.json`: what the case's instance is like, as far as it differs from one without settings. `error`: it cannot be had.
 * Shape: `{ "url": "http://db:9090", "jsonData": { "keepCookies": ["a"] }, "secureJsonData": { "token": "t" } }`.
 */
export interface InstanceStation {
  readonly id: number
  readonly name?: string
  readonly url: string
  readonly user: string
  readonly database: string
  readonly basicAuth: boolean
  readonly basicAuthUser: string
  readonly jsonData: Uint8Array
  readonly secureJsonData: Readonly<Record<string, string>>
  readonly lastUpdatedMS: number
  readonly grafanaConfig: Readonly<Record<string, string>>
  readonly error?: AggregatorError
}

const textOr = optional(text, '')

const station: Read<InstanceStation> = object<InstanceStation>({
  id: optional(number, 1),
  name: maybe(text),
  url: textOr,
  user: textOr,
  database: textOr,
  basicAuth: optional(flag, false),
  basicAuthUser: textOr,
  jsonData: optional(bytes, Buffer.from('{}')),
  secureJsonData: optional(mapOf(text), {}),
  lastUpdatedMS: optional(number, 0),
  grafanaConfig: optional(mapOf(text), {}),
  error: maybe(error),
})

const appOf = ({ jsonData, secureJsonData, lastUpdatedMS }: InstanceStation): AppInstanceSettings => ({
  jsonData,
  decryptedSecureJsonData: secureJsonData,
  lastUpdatedMS,
})

const datasourceOf = (given: InstanceStation, uid: string): DataSourceInstanceSettings => ({
  id: given.id,
  uid,
  name: given.name ?? uid,
  url: given.url,
  user: given.user,
  database: given.database,
  basicAuthEnabled: given.basicAuth,
  basicAuthUser: given.basicAuthUser,
  ...appOf(given),
})

const settingsOf = (given: InstanceStation, { pluginType, uid }: PluginContextRequest): InstanceSettings => {
  const shared = { orgId: 1, grafanaConfig: given.grafanaConfig }
  if (pluginType === 'app') return { ...shared, appInstanceSettings: appOf(given) }
  return uid === undefined ? shared : { ...shared, dataSourceInstanceSettings: datasourceOf(given, uid) }
}

/** Every instance that is asked for, whatever its uid, is as `instance.json` says. Throws a TypeError that names what is wrong. */
export const readInstance = (value: unknown): PluginContextProvider => {
  const given = station(value, 'instance.json')
  return {
    getInstanceSettings: (request) =>
      given.error === undefined ? TE.right(settingsOf(given, request)) : TE.left(given.error),
  }
}

/** Throws a TypeError that names what is wrong. */
export const readPluginJson = (value: unknown): PluginJson => {
  const parsed = parsePluginJson(value)
  if (E.isLeft(parsed)) throw new TypeError(`plugin.json: ${describeCauses(parsed.left)}`)
  return parsed.right
}
