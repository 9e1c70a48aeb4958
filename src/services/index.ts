import type { ServiceType } from '../api/dataplane-service.ts'
import type { EncodeQueryData, ServiceDefinition } from '../service.ts'
import { admission } from './admission.ts'
import { query } from './query.ts'
import { unserved } from './unserved.ts'

/** Both spellings of an instance's path: `connections` is the older one. */
const ofInstance = (...rest: ReadonlyArray<readonly [method: string, path: string]>) =>
  ['connections', 'datasources'].flatMap((resource) =>
    rest.map(([method, path]) => [method, `/namespaces/{namespace}/${resource}/{uid}/${path}`] as const),
  )

/** Every service type there is; the compiler names the missing line when one is added to the list. */
export const serviceDefinitions = (
  encodeQueryData: EncodeQueryData,
): Readonly<Record<ServiceType, ServiceDefinition>> => ({
  admission,
  conversion: unserved('conversion', [['POST', '/conversion']]),
  query: query(encodeQueryData),
  stream: unserved('stream', ofInstance(['GET', 'stream/*'], ['POST', 'stream/*'])),
  route: unserved('route', ofInstance(['*', 'resources/*'])),
  'datasource-proxy': unserved('datasource-proxy', ofInstance(['*', 'proxy/*'])),
})
