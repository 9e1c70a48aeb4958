import type { Result } from './errors.ts'
import { pipe, TE } from './fp.ts'
import type { User } from './http.ts'
import type { PluginContext, PluginUser } from './plugin.ts'
import type { PluginEnv } from './service.ts'

const toPluginUser = ({ name, displayName, email, role }: User): PluginUser => ({
  login: name,
  name: displayName ?? name,
  email: email ?? '',
  role: role ?? '',
})

/** What a call concerns, beside the object that routed it. */
export interface Subject {
  readonly namespace: string
  /** `undefined` for calls that concern no instance. */
  readonly uid: string | undefined
  readonly user: User | undefined
}

/**
 * All that a plugin is told of a request, filled as Grafana fills it: the provider knows the instance, the request the rest.
 * Fails with NotFound, PluginUnavailable. Source: plugincontext of Grafana, PluginContext of backend.proto.
 */
export const pluginContextOf = (
  subject: Subject,
  env: Pick<PluginEnv, 'service' | 'contexts' | 'plugin' | 'userAgent' | 'signal'>,
): Result<PluginContext> => {
  const { pluginID, pluginType, version } = env.service.spec
  const { namespace, uid, user } = subject
  return pipe(
    env.contexts.getInstanceSettings({ pluginId: pluginID, pluginType, uid, namespace }, env.signal),
    TE.map((settings) => ({
      orgId: settings.orgId,
      pluginId: pluginID,
      user: user && toPluginUser(user),
      appInstanceSettings: settings.appInstanceSettings,
      dataSourceInstanceSettings: settings.dataSourceInstanceSettings,
      grafanaConfig: settings.grafanaConfig,
      pluginVersion: env.plugin.version,
      userAgent: env.userAgent,
      apiVersion: version,
      namespace,
    })),
  )
}
