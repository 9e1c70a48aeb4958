import test from 'ava'
import fc from 'fast-check'

import type { HeaderMap } from '../../src/http.ts'
import type { DataSourceInstanceSettings, PluginContext } from '../../src/plugin.ts'
import { forwardedNames, pluginHeaders } from '../../src/services/plugin-headers.ts'
import { pluginContext } from '../plugins/_setup.ts'

/** The context of a datasource with this jsonData; `undefined`: of no datasource. */
const contextOf = (jsonData: string | undefined): PluginContext => {
  if (jsonData === undefined) return pluginContext
  const dataSourceInstanceSettings: DataSourceInstanceSettings = {
    ...{ id: 1, uid: 'p1', name: 'p1', url: '', user: '', database: '', basicAuthEnabled: false, basicAuthUser: '' },
    ...{ jsonData: Buffer.from(jsonData), decryptedSecureJsonData: {}, lastUpdatedMS: 0 },
  }
  return { ...pluginContext, dataSourceInstanceSettings }
}

const named: HeaderMap = Object.fromEntries(forwardedNames.map((name) => [name, name]))

const tracing = {
  'http_X-Query-Group-Id': 'x-query-group-id',
  'http_X-Panel-Id': 'x-panel-id',
  'http_X-Panel-Plugin-Id': 'x-panel-plugin-id',
  'http_X-Panel-Title': 'x-panel-title',
  'http_X-Dashboard-Uid': 'x-dashboard-uid',
  'http_X-Dashboard-Title': 'x-dashboard-title',
  'http_X-Datasource-Uid': 'x-datasource-uid',
  'http_X-Grafana-From-Expr': 'x-grafana-from-expr',
  'http_X-Grafana-Org-Id': 'x-grafana-org-id',
}
const alerting = {
  'http_X-Rule-Name': 'x-rule-name',
  'http_X-Rule-Uid': 'x-rule-uid',
  'http_X-Rule-Folder': 'x-rule-folder',
  'http_X-Rule-Source': 'x-rule-source',
  'http_X-Rule-Type': 'x-rule-type',
  'http_X-Rule-Version': 'x-rule-version',
  'http_X-Rule-Origin': 'x-rule-origin',
  FromAlert: 'fromalert',
}

test('gives each header the key that the plugin SDK looks for, to the calls that are told of it', (t) => {
  t.deepEqual(pluginHeaders('query', named, undefined, pluginContext), { ...tracing, ...alerting })
  t.deepEqual(pluginHeaders('health', named, undefined, pluginContext), tracing)
  t.deepEqual(pluginHeaders('stream', named, undefined, pluginContext), tracing)
})

test('leaves out everything else, empty values and repeated ones', (t) => {
  const credentials = { authorization: 'secret', cookie: 'a=secret', 'x-id-token': 'secret', 'x-grafana-id': 'secret' }
  const others = { 'X-Panel-Id': '1', http_x: '1', 'x-panel-id': '', 'x-rule-name': ['a', 'b'], fromalert: undefined }
  const context = contextOf('{"oauthPassThru":true}')
  t.deepEqual(pluginHeaders('query', { ...credentials, ...others }, undefined, context), {})
})

const tokens = { access: 'a1', id: 'i1', grafanaId: 'g1' }
const withTokens: ReadonlyArray<readonly [jsonData: string | undefined, expected: Record<string, string>]> = [
  [undefined, { 'http_X-Grafana-Id': 'g1' }],
  ['{"oauthPassThru":"true"}', { 'http_X-Grafana-Id': 'g1' }],
  ['{"oauthPassThru":true}', { Authorization: 'Bearer a1', 'X-ID-Token': 'i1', 'http_X-Grafana-Id': 'g1' }],
]
for (const [jsonData, expected] of withTokens) {
  test(`gives the tokens of a user to whom they may go: ${jsonData ?? 'no datasource'}`, (t) => {
    const inbound = { authorization: 'Bearer k8s', 'x-id-token': 'x', 'x-grafana-id': 'x' }
    const user = { name: 'jane', tokens }
    t.deepEqual(pluginHeaders('query', inbound, user, contextOf(jsonData)), expected)
    t.deepEqual(pluginHeaders('health', inbound, user, contextOf(jsonData)), expected)
    t.deepEqual(pluginHeaders('stream', inbound, user, contextOf(jsonData)), {})
    t.deepEqual(pluginHeaders('query', inbound, { name: 'joe' }, contextOf(jsonData)), {})
  })
}

test('encodes what gRPC would refuse, byte by byte', (t) => {
  const title = { 'x-dashboard-title': 'Gr\u00f6\u00dfe \u0000\t\u007f~ 100%' }
  t.deepEqual(pluginHeaders('query', title, undefined, pluginContext), {
    'http_X-Dashboard-Title': 'Gr%F6%DFe %00%09%7F~ 100%',
  })
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const headers = pluginHeaders(
        'query',
        { fromalert: value, cookie: `a=${value}` },
        { name: 'jane', tokens: { grafanaId: value } },
        contextOf('{"keepCookies":["[]"]}'),
      )
      return /^[ -~]*$/.test(Object.values(headers).join(''))
    }),
  )
})

const sent = 'app_b=2; other=3; app_a=1; grafana_session=s; grafana_session_expiry=9; connect.sid=s%3Aid'
const cookies: ReadonlyArray<readonly [title: string, jsonData: string | undefined, kept: string | undefined]> = [
  ['no cookie of no datasource', undefined, undefined],
  ['no cookie unless one is named', '{}', undefined],
  ['no cookie for an empty list', '{"keepCookies":[]}', undefined],
  ['an exact name', '{"keepCookies":["other","app"]}', 'other=3'],
  ['a prefix, sorted by name', '{"keepCookies":["app_[]"]}', 'app_a=1; app_b=2'],
  ['all but those of a login', '{"keepCookies":["[]"]}', 'app_a=1; app_b=2; other=3'],
  ['no login that is named', '{"keepCookies":["grafana_session","grafana_[]","connect.sid"]}', undefined],
  ['names by their case', '{"keepCookies":["OTHER","App_[]"]}', undefined],
  ['what is a name, of a list that holds other things', '{"keepCookies":[1,null,"other",["app_[]"]]}', 'other=3'],
  ['no cookie for a text', '{"keepCookies":"other"}', undefined],
  ['no cookie where settings are null', 'null', undefined],
  ['no cookie where settings are no JSON', '{"keepCookies":["[]"]', undefined],
]
for (const [title, jsonData, Cookie] of cookies) {
  test(`keeps ${title}`, (t) => {
    const expected = Cookie === undefined ? {} : { Cookie }
    const context = contextOf(jsonData)
    t.deepEqual(pluginHeaders('query', { cookie: sent }, undefined, context), expected)
    t.deepEqual(pluginHeaders('health', { cookie: sent }, undefined, context), expected)
    t.deepEqual(pluginHeaders('stream', { cookie: sent }, undefined, context), {})
  })
}

test('keeps the last cookie of a name, as it was written, and none that is no cookie', (t) => {
  const header = 'a=1;a=2 ;q="x y"; bare; =v; b c=1; d=e=f; bad="; back=\\; __proto__=p; \u00e9=1; z=\u00e9; '
  const context = contextOf('{"keepCookies":["[]"]}')
  t.deepEqual(pluginHeaders('query', { cookie: header }, undefined, context), {
    Cookie: '__proto__=p; a=2; bare=; d=e=f; q="x y"',
  })
})
