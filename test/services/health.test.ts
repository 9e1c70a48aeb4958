import test from 'ava'

import { E, TE } from '../../src/fp.ts'
import { recordingPlugins } from '../../src/testing/recording-plugin.ts'
import { service } from '../api/manifests.ts'
import { serve } from './serve.ts'

// What is answered is told in fixtures/health.

const instance = {
  ...{ id: 1, uid: 'u', name: 'u', url: '', user: '', database: '', basicAuthEnabled: false, basicAuthUser: '' },
  decryptedSecureJsonData: {},
  lastUpdatedMS: 0,
}
const contextsOf = (jsonData: object) => ({
  getInstanceSettings: () =>
    TE.right({
      orgId: 1,
      grafanaConfig: {},
      dataSourceInstanceSettings: { ...instance, jsonData: Buffer.from(JSON.stringify(jsonData)) },
    }),
})

test("keeps the client's credentials from a health check (S7)", async (t) => {
  const headers = {
    authorization: 'Bearer of-the-client',
    'proxy-authorization': 'Basic x',
    'x-api-key': 'k',
    'x-id-token': 'i',
    'x-grafana-id': 'g',
    'x-remote-user': 'root',
    'x-rule-uid': 'of queries alone',
    cookie: 'grafana_session=s; theme=dark',
    'x-dashboard-uid': 'd',
  }
  const seen = async (jsonData: object) => {
    const { host, calls } = recordingPlugins({})
    await serve('/namespaces/default/datasources/u/health', undefined, {
      plugins: host,
      contexts: contextsOf(jsonData),
      of: service([{ type: 'health' }]),
      method: 'GET',
      request: { headers, user: { name: 'jane', tokens: { access: 'a', grafanaId: 'signed' } } },
    })
    return (calls[0]?.request as { readonly headers: unknown }).headers
  }
  const always = { 'http_X-Dashboard-Uid': 'd', 'http_X-Grafana-Id': 'signed' }
  t.deepEqual(await seen({}), always)
  t.deepEqual(await seen({ oauthPassThru: true, keepCookies: ['theme', 'grafana_session'] }), {
    ...always,
    Authorization: 'Bearer a',
    Cookie: 'theme=dark',
  })
})

test('hands on that the plugin failed, which says nothing of its health', async (t) => {
  const error = { _tag: 'PluginTimeout', message: 'late' } as const
  const surroundings = {
    plugins: recordingPlugins({ error }).host,
    of: service([{ type: 'health' }]),
    method: 'GET',
  }
  t.deepEqual(await serve('/namespaces/default/connections/u/health', undefined, surroundings), E.left(error))
})
