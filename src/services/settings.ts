import type { PluginType } from '../api/dataplane-service.ts'
import type { PluginJson } from '../api/plugin-json.ts'
import { unexpected, type AggregatorError, type Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import { bytes, type HttpAnswer, type HttpRequest } from '../http.ts'
import type { InstanceSettings } from '../plugin.ts'
import { toHandle, unread, type PluginEnv, type ServiceDefinition } from '../service.ts'

interface SettingsCall {
  readonly namespace: string
  readonly pluginId: string
  readonly pluginType: PluginType
}

interface Known {
  readonly pluginJson: PluginJson | undefined
  readonly settings: InstanceSettings
}

const readSettings = ({ namespace, pluginId, pluginType }: SettingsCall, env: PluginEnv): Result<Known> =>
  pipe(
    env.contexts.getInstanceSettings({ pluginId, pluginType, uid: undefined, namespace }, env.signal),
    TE.map((settings) => ({ pluginJson: env.plugin.pluginJson, settings })),
  )

/**
 * What Grafana's frontend knows of a plugin. Of plugin.json as it stands there; where this server knows nothing, the words that
 * promise nothing: no signature was verified, no newer version was looked for, no frontend is served from here. Source:
 * PluginSettingDTO of Grafana.
 */
const describe = ({ pluginId, pluginType }: SettingsCall, pluginJson: PluginJson | undefined) => {
  const file: Readonly<Record<string, unknown>> = pluginJson ?? {}
  return {
    name: file['name'] ?? pluginId,
    type: file['type'] ?? pluginType,
    id: pluginId,
    enabled: true,
    pinned: false,
    autoEnabled: file['autoEnabled'] ?? false,
    module: '',
    baseUrl: '',
    info: file['info'] ?? {},
    includes: file['includes'] ?? [],
    dependencies: file['dependencies'] ?? {},
    extensions: file['extensions'] ?? {},
    defaultNavUrl: '',
    state: file['state'] ?? '',
    signature: 'unsigned',
    signatureType: '',
    signatureOrg: '',
    angularDetected: false,
    loadingStrategy: 'script',
    latestVersion: '',
    hasUpdate: false,
  }
}

/** The settings' own text: a number in it must not pass through float64. */
const jsonDataOf = ({ appInstanceSettings }: InstanceSettings): E.Either<AggregatorError, string> => {
  const text = Buffer.from(appInstanceSettings?.jsonData ?? []).toString()
  if (text === '') return E.right('{}')
  return E.tryCatch(() => {
    JSON.parse(text)
    return text
  }, unexpected)
}

/** Of a secret, that it is there: never what it is. */
const secureJsonFields = ({ appInstanceSettings }: InstanceSettings): Readonly<Record<string, true>> =>
  Object.fromEntries(Object.keys(appInstanceSettings?.decryptedSecureJsonData ?? {}).map((key) => [key, true]))

const encodeSettings = ({ pluginJson, settings }: Known, call: SettingsCall): E.Either<AggregatorError, HttpAnswer> =>
  pipe(
    jsonDataOf(settings),
    E.map((jsonData) => {
      const described = JSON.stringify({
        ...describe(call, pluginJson),
        secureJsonFields: secureJsonFields(settings),
      })
      const text = `${described.slice(0, -1)},"jsonData":${jsonData}}`
      return bytes(200, { 'content-type': 'application/json' }, [Buffer.from(text)])
    }),
  )

/**
 * A plugin's settings in a namespace: `GET /namespaces/{namespace}/settings`. The plugin is not called: it may be down. Those of a
 * datasource are with its instances, so that its plugin has none.
 */
export const settings: ServiceDefinition = {
  type: 'settings',
  routes: () => [
    {
      method: 'GET',
      path: '/namespaces/{namespace}/settings',
      handle: toHandle({
        read: unread,
        decode: ({ params: { namespace = '' } }: HttpRequest, _body, { spec }) =>
          E.right({ namespace, pluginId: spec.pluginID, pluginType: spec.pluginType }),
        call: readSettings,
        encode: encodeSettings,
      }),
    },
  ],
}
