import test from 'ava'

import { staticContexts } from '../src/contexts/index.ts'
import { E } from '../src/fp.ts'
import type { User } from '../src/http.ts'
import type { PluginContext } from '../src/plugin.ts'
import { pluginContextOf, type Subject } from '../src/plugin-context.ts'
import { recordingPlugins } from '../src/testing/index.ts'
import { envOf } from './telemetry/requests.ts'

const contexts = staticContexts({
  datasources: [{ uid: 'p1', type: 'prometheus-plugin', secureJsonData: { password: 'x' } }],
})
const plugin = recordingPlugins({}).host.plugin('prometheus-plugin')

const contextOf = async (changes: Partial<Subject> = {}): Promise<PluginContext> => {
  if (plugin === undefined) throw new Error('not installed')
  const subject = { namespace: 'default', uid: 'p1', user: undefined, ...changes }
  const context = await pluginContextOf(subject, { ...envOf({ contexts }), plugin })()
  if (E.isLeft(context)) throw new Error(context.left._tag)
  return context.right
}

test('tells a plugin of its instance what it told it before: another object could rebuild it', async (t) => {
  const [first, second] = [await contextOf(), await contextOf({ user: { name: 'jane' } })]
  t.is(first.grafanaConfig, second.grafanaConfig)
  t.is(first.dataSourceInstanceSettings, second.dataSourceInstanceSettings)
  const { grafanaConfig: _config, dataSourceInstanceSettings: _settings, ...rest } = first
  t.deepEqual(rest, {
    orgId: 1,
    pluginId: 'prometheus-plugin',
    user: undefined,
    appInstanceSettings: undefined,
    pluginVersion: '1.0.0',
    userAgent: 'Grafana/12.4.0 (linux; amd64)',
    apiVersion: 'v0alpha1',
    namespace: 'default',
  })
})

test('leaves the instance out of a call that concerns none', async (t) => {
  const { dataSourceInstanceSettings, appInstanceSettings, orgId } = await contextOf({ uid: undefined })
  t.deepEqual([dataSourceInstanceSettings, appInstanceSettings, orgId], [undefined, undefined, 1])
})

const users: ReadonlyArray<readonly [User, PluginContext['user']]> = [
  [{ name: 'jane' }, { login: 'jane', name: 'jane', email: '', role: '' }],
  [
    { name: 'jane', displayName: 'Jane', email: 'j@example.com', role: 'Editor', groups: ['g'], uid: '7' },
    { login: 'jane', name: 'Jane', email: 'j@example.com', role: 'Editor' },
  ],
]
for (const [user, expected] of users) {
  test(`tells a plugin who asks: ${JSON.stringify(user)}`, async (t) => {
    t.deepEqual((await contextOf({ user })).user, expected)
  })
}
