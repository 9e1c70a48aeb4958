import test from 'ava'

import { requestHeaders } from '../../src/dispatch.ts'
import { forwardedHeaders, resourceHeaderNames } from '../../src/services/forwarded-headers.ts'

const describing = {
  accept: 'a',
  'accept-encoding': 'a',
  'accept-language': 'a',
  'cache-control': 'a',
  'content-encoding': 'a',
  'content-language': 'a',
  'content-type': 'a',
  'if-match': 'a',
  'if-modified-since': 'a',
  'if-none-match': 'a',
  'if-range': 'a',
  'if-unmodified-since': 'a',
  pragma: 'a',
  prefer: 'a',
  range: 'a',
  'x-requested-with': 'a',
}
const tracing = {
  'x-query-group-id': 'b',
  'x-panel-id': 'b',
  'x-panel-plugin-id': 'b',
  'x-panel-title': 'b',
  'x-dashboard-uid': 'b',
  'x-dashboard-title': 'b',
  'x-datasource-uid': 'b',
  'x-grafana-from-expr': 'b',
  'x-grafana-org-id': 'b',
}
const others = {
  authorization: 's',
  cookie: 's',
  connection: 'close',
  fromalert: 's',
  host: 's',
  'proxy-authorization': 's',
  'user-agent': 's',
  'x-ds-authorization': 's',
  'x-forwarded-for': 's',
  'x-grafana-id': 's',
  'x-grafana-user': 's',
  'x-id-token': 's',
  'x-mine': 'c',
  'x-rule-name': 's',
}

test('forwards how a resource is to be given and what the front end tells, and nothing else (S7)', (t) => {
  const headers = { ...describing, ...tracing, ...others }
  t.deepEqual({ ...forwardedHeaders(headers, []) }, { ...describing, ...tracing })
  t.deepEqual({ ...forwardedHeaders(headers, ['x-mine', 'x-none']) }, { ...describing, ...tracing, 'x-mine': 'c' })
})

test('gives nobody what is meant for the datasource proxy, whatever the owner lets through (S7)', (t) => {
  t.deepEqual({ ...forwardedHeaders(others, ['x-ds-authorization']) }, {})
})

const connections: ReadonlyArray<readonly [connection: string, left: ReadonlyArray<string>]> = [
  ['keep-alive', ['accept', 'x-panel-id', 'x-mine']],
  [' X-Panel-Id ,ACCEPT', ['x-mine']],
  ['close,,x-mine, x-mine', ['accept', 'x-panel-id']],
]
for (const [connection, left] of connections) {
  test(`forwards nothing that belongs to the connection: ${connection} (S16)`, (t) => {
    const headers = { connection, accept: 'a', 'x-panel-id': '1', 'x-mine': 'c' }
    t.deepEqual(Object.keys(forwardedHeaders(headers, ['x-mine'])), left)
  })
}

test('names what the header policy must let through', (t) => {
  const needed = [...Object.keys(describing), 'connection', 'x-ds-authorization']
  t.deepEqual(resourceHeaderNames, needed)
  for (const name of [...needed, ...Object.keys(tracing), 'cookie']) t.true(requestHeaders.includes(name), name)
})
