import { quote } from '../decode.ts'
import type { Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import type { DataSourceInstanceSettings, InstanceSettings } from '../plugin.ts'
import type { CallEnv } from '../service.ts'
import { misconfigured } from './proxy-target.ts'
import type { TemplateData } from './template.ts'

/** The instance whose proxied path is asked for. */
export interface ProxyInstance {
  /** For messages. Shape: `datasource "p1"`. */
  readonly name: string
  /** Of its connections and tokens. Shape: `default/prometheus/p1`. */
  readonly owner: string
  /** `undefined`: it is an app. */
  readonly datasource: DataSourceInstanceSettings | undefined
  readonly data: TemplateData
  /** Those of its secrets that are long enough to stand in a text for nothing else. */
  readonly secrets: ReadonlyArray<string>
}

/** Which instance. An app has no uid. */
export interface InstanceName {
  readonly namespace: string
  readonly uid: string | undefined
}

const parseJsonData = (jsonData: Uint8Array): E.Either<undefined, Readonly<Record<string, unknown>>> =>
  pipe(
    E.tryCatch(
      (): unknown => (jsonData.length === 0 ? {} : JSON.parse(Buffer.from(jsonData).toString())),
      () => undefined,
    ),
    E.flatMap((value) =>
      typeof value === 'object' && !Array.isArray(value) ? E.right({ ...value }) : E.left(undefined),
    ),
  )

/** Finds the instance. Fails with NotFound, PluginUnavailable, and BadGateway when its settings cannot be read. */
export const instanceOf = (
  { namespace, uid }: InstanceName,
  { service, contexts, signal }: CallEnv,
): Result<ProxyInstance> => {
  const { pluginID: pluginId, pluginType } = service.spec
  const name = pluginType === 'app' ? `app ${quote(pluginId)}` : `datasource ${quote(uid ?? '')}`
  const owner = [namespace, pluginId, ...(uid === undefined ? [] : [uid])].map(encodeURIComponent).join('/')
  const toInstance = (settings: InstanceSettings): E.Either<string, ProxyInstance> => {
    const { appInstanceSettings, dataSourceInstanceSettings } = settings
    const datasource = pluginType === 'app' ? undefined : dataSourceInstanceSettings
    const own = pluginType === 'app' ? appInstanceSettings : datasource
    if (own === undefined) return E.left(`${name} has no settings`)
    return pipe(
      parseJsonData(own.jsonData),
      E.bimap(
        () => `jsonData of ${name} is not a JSON object`,
        (JsonData) => {
          const url = datasource === undefined ? {} : { URL: datasource.url }
          const data = { JsonData, SecureJsonData: own.decryptedSecureJsonData, ...url }
          const secrets = Object.values(data.SecureJsonData).filter(({ length }) => length >= 8)
          return { name, owner, datasource, data, secrets }
        },
      ),
    )
  }
  return pipe(
    contexts.getInstanceSettings({ pluginId, pluginType, uid, namespace }, signal),
    TE.flatMapEither((settings) => E.mapLeft(misconfigured)(toInstance(settings))),
  )
}
