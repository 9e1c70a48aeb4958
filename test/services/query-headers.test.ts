import test from 'ava'
import fc from 'fast-check'

import { forwardedNames, queryHeaders } from '../../src/services/query-headers.ts'

test('gives each header the key that the plugin SDK looks for', (t) => {
  const headers = Object.fromEntries(forwardedNames.map((name) => [name, name]))
  t.deepEqual(queryHeaders(headers), {
    'http_X-Query-Group-Id': 'x-query-group-id',
    'http_X-Panel-Id': 'x-panel-id',
    'http_X-Panel-Plugin-Id': 'x-panel-plugin-id',
    'http_X-Panel-Title': 'x-panel-title',
    'http_X-Dashboard-Uid': 'x-dashboard-uid',
    'http_X-Dashboard-Title': 'x-dashboard-title',
    'http_X-Datasource-Uid': 'x-datasource-uid',
    'http_X-Grafana-From-Expr': 'x-grafana-from-expr',
    'http_X-Grafana-Org-Id': 'x-grafana-org-id',
    'http_X-Rule-Name': 'x-rule-name',
    'http_X-Rule-Uid': 'x-rule-uid',
    'http_X-Rule-Folder': 'x-rule-folder',
    'http_X-Rule-Source': 'x-rule-source',
    'http_X-Rule-Type': 'x-rule-type',
    'http_X-Rule-Version': 'x-rule-version',
    'http_X-Rule-Origin': 'x-rule-origin',
    FromAlert: 'fromalert',
  })
})

test('leaves out everything else, empty values and repeated ones', (t) => {
  t.deepEqual(
    queryHeaders({
      ...{ authorization: 'secret', cookie: 'secret', 'x-id-token': 'secret', 'X-Panel-Id': '1', http_x: '1' },
      ...{ 'x-panel-id': '', 'x-rule-name': ['a', 'b'], fromalert: undefined },
    }),
    {},
  )
})

test('encodes what gRPC would refuse, byte by byte', (t) => {
  t.deepEqual(queryHeaders({ 'x-dashboard-title': 'Gr\u00f6\u00dfe \u0000\t\u007f~ 100%' }), {
    'http_X-Dashboard-Title': 'Gr%F6%DFe %00%09%7F~ 100%',
  })
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) =>
      /^[ -~]*$/.test(Object.values(queryHeaders({ fromalert: value })).join('')),
    ),
  )
})
