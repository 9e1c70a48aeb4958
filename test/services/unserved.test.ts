import test from 'ava'

import type { Service, ServiceType } from '../../src/api/dataplane-service.ts'
import { service } from '../api/manifests.ts'
import { definitions } from '../routing/tables.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'

const claimsOf = (entry: Service): ReadonlyArray<string> =>
  definitions[entry.type].routes(entry, service()).map(({ method, path }) => `${method} ${path}`)

const instance = (resource: string, rest: string): string => `/namespaces/{namespace}/${resource}/{uid}/${rest}`
const both = (method: string, rest: string): ReadonlyArray<string> =>
  ['connections', 'datasources'].map((resource) => `${method} ${instance(resource, rest)}`)

const claims: ReadonlyArray<readonly [entry: Service, claims: ReadonlyArray<string>]> = [
  [{ type: 'conversion' }, ['POST /conversion']],
  [{ type: 'stream' }, [...both('GET', 'stream/*'), ...both('POST', 'stream/*')]],
  [{ type: 'stream', method: 'GET' }, both('GET', 'stream/*')],
  [{ type: 'route' }, both('*', 'resources/*')],
  [{ type: 'route', method: 'GET' }, both('GET', 'resources/*')],
  [{ type: 'route', path: '/reports/{id}' }, ['* /namespaces/{namespace}/reports/{id}']],
  [{ type: 'route', method: 'PUT', path: '/files/*' }, ['PUT /namespaces/{namespace}/files/*']],
  [{ type: 'datasource-proxy' }, both('*', 'proxy/*')],
  [{ type: 'datasource-proxy', method: 'GET' }, both('GET', 'proxy/*')],
]
for (const [entry, expected] of claims) {
  test(`claims for ${JSON.stringify(entry)} what it names, and no more`, (t) => {
    t.deepEqual(claimsOf(entry).toSorted(), expected.toSorted())
  })
}

for (const type of ['conversion', 'stream', 'route', 'datasource-proxy'] satisfies ReadonlyArray<ServiceType>) {
  test(`answers ${type} with 501, and reads no body for it`, async (t) => {
    const readJson = (): never => t.fail()
    for (const { handle } of definitions[type].routes({ type }, service())) {
      t.deepEqual(await handle(requestOf({ readJson }), envOf())(), {
        _tag: 'Left',
        left: { _tag: 'NotImplemented', message: `service type "${type}" is not served by this version` },
      })
    }
  })
}
