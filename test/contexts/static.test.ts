import test from 'ava'

import { staticContexts } from '../../src/contexts/index.ts'
import { refusal, settingsOf } from './ask.ts'

test('gives a datasource its settings, with the defaults of the provisioning format', async (t) => {
  const provider = staticContexts({
    datasources: [
      { uid: 'p1', type: 'testds', url: 'http://u', jsonData: { b: 1, a: 2 }, secureJsonData: { password: '$x' } },
    ],
  })
  const { orgId, dataSourceInstanceSettings: found } = await settingsOf(provider)
  t.is(orgId, 1)
  t.like(found, { uid: 'p1', name: 'p1', url: 'http://u', basicAuthEnabled: false, user: '' })
  t.deepEqual(found?.decryptedSecureJsonData, { password: '$x' })
  t.is(Buffer.from(found?.jsonData ?? []).toString(), '{"a":2,"b":1}')
  t.is(await settingsOf(provider), await settingsOf(provider))
})

test('keeps namespaces apart', async (t) => {
  const provider = staticContexts({
    datasources: [
      { uid: 'p1', type: 'testds', name: 'one' },
      { uid: 'p1', type: 'testds', name: 'two', namespace: 'org-2' },
    ],
    apps: [{ type: 'my-app', namespace: 'org-2', secureJsonData: { key: 'k' } }],
  })
  t.is((await settingsOf(provider, { namespace: 'org-2' })).dataSourceInstanceSettings?.name, 'two')
  t.is(await refusal(provider, { namespace: 'org-3' }), 'NotFound: datasources "p1" not found')
  const app = { pluginId: 'my-app', pluginType: 'app', uid: undefined } as const
  const keyIn = async (namespace: string) =>
    (await settingsOf(provider, { ...app, namespace })).appInstanceSettings?.decryptedSecureJsonData['key']
  t.deepEqual([await keyIn('org-2'), await keyIn('default')], ['k', undefined])
})

const secret = 'hunter2secret'
const wrong: ReadonlyArray<readonly [unknown, string]> = [
  [{ datasources: [{ uid: 'p1' }] }, 'staticContexts: datasources[0].type: expected string, got nothing'],
  [
    { datasources: [{ uid: 'p1', type: 't', secureJsonData: { a: [secret] } }] },
    'staticContexts: datasources[0].secureJsonData.a: expected a string, got an array',
  ],
  [
    { datasources: [{ uid: 7, name: 'n', type: 't' }] },
    'staticContexts: datasources[0].uid: expected string, got a number',
  ],
  [{ apps: [null] }, 'staticContexts: apps[0]: expected an object, got null'],
  [{ apps: [{}] }, 'staticContexts: apps[0].type: expected string, got nothing'],
  [
    { apps: [{ type: 't', namespace: 'team-a' }] },
    'staticContexts: namespace "team-a" has no organisation (option orgOfNamespace)',
  ],
  [
    { apps: [{ type: 't' }, { type: 't', namespace: 'org-1' }] },
    'staticContexts: expected each of apps once in a namespace, got "t" twice',
  ],
]
for (const [table, message] of wrong) {
  test(`throws at once, without a secret: ${message}`, (t) => {
    const attempt = (): void => {
      Reflect.apply(staticContexts, undefined, [table])
    }
    t.throws(attempt, { instanceOf: TypeError, message })
  })
}

test('throws at once for a configuration that is no text, without the value', (t) => {
  const attempt = (): void => {
    Reflect.apply(staticContexts, undefined, [{}, { grafanaConfig: { GF_SQL_ROW_LIMIT: 1234 } }])
  }
  const message = 'option grafanaConfig.GF_SQL_ROW_LIMIT: expected a text, got number'
  t.throws(attempt, { instanceOf: TypeError, message })
})
