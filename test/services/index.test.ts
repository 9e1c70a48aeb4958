import test from 'ava'

import { serviceTypes, type Service, type ServiceType } from '../../src/api/dataplane-service.ts'
import { service } from '../api/manifests.ts'
import { definitions } from '../routing/tables.ts'

const claimsOf = (entry: Service, pluginType = 'datasource'): ReadonlyArray<string> =>
  definitions[entry.type].routes(entry, service([entry], { pluginType })).map(({ method, path }) => `${method} ${path}`)

const namespace = '/namespaces/{namespace}'
const both = (method: string, rest: string): ReadonlyArray<string> =>
  ['connections', 'datasources'].map((resource) => `${method} ${namespace}/${resource}/{uid}/${rest}`)
const one = (method: string, rest: string): string => `${method} ${namespace}/${rest}`

/** What an entry claims, for a datasource and for an app. */
const claims: Readonly<
  Record<ServiceType, readonly [ofDatasource: ReadonlyArray<string>, ofApp: ReadonlyArray<string>]>
> = {
  admission: [
    ['POST /admission/mutate', 'POST /admission/validate'],
    ['POST /admission/mutate', 'POST /admission/validate'],
  ],
  conversion: [
    ['POST /conversion', ...both('POST', 'query-convert'), one('POST', 'queryconvert')],
    ['POST /conversion', one('POST', 'query-convert'), one('POST', 'queryconvert')],
  ],
  query: [both('POST', 'query'), [one('POST', 'query')]],
  stream: [
    [...both('GET', 'stream/*'), ...both('POST', 'stream/*')],
    [one('GET', 'stream/*'), one('POST', 'stream/*')],
  ],
  route: [both('*', 'resources/*'), [one('*', 'resources/*')]],
  'datasource-proxy': [
    [...both('*', 'proxy'), ...both('*', 'proxy/*')],
    [one('*', 'proxy'), one('*', 'proxy/*')],
  ],
  settings: [[one('GET', 'settings')], [one('GET', 'settings')]],
  health: [both('GET', 'health'), [one('GET', 'health')]],
  metrics: [['GET /plugins/p/metrics'], ['GET /plugins/p/metrics']],
}
for (const type of serviceTypes) {
  test(`claims for ${type} what is its own, and no more`, (t) => {
    const [ofDatasource, ofApp] = claims[type]
    t.deepEqual(claimsOf({ type }).toSorted(), ofDatasource.toSorted())
    t.deepEqual(claimsOf({ type }, 'app').toSorted(), ofApp.toSorted())
  })

  test(`claims for ${type} no method but the one that is named`, (t) => {
    const [all] = claims[type]
    for (const method of ['GET', 'POST']) {
      const expected = all.filter((claim) => claim.startsWith(`${method} `))
      const any = all.filter((claim) => claim.startsWith('* ')).map((claim) => claim.replace('*', method))
      const named = [...expected, ...any]
      // others do not pass validation
      if (named.length > 0) t.deepEqual(claimsOf({ type, method }).toSorted(), named.toSorted())
    }
  })
}

test('claims for a route with a path that path, below the namespace', (t) => {
  t.deepEqual(claimsOf({ type: 'route', path: '/reports/{id}' }), [one('*', 'reports/{id}')])
  t.deepEqual(claimsOf({ type: 'route', method: 'PUT', path: '/files/*' }, 'app'), [one('PUT', 'files/*')])
})
