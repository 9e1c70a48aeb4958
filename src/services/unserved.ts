import type { ServiceType } from '../api/dataplane-service.ts'
import { TE } from '../fp.ts'
import type { Handle, ServiceDefinition, ServiceRoute } from '../service.ts'

/**
 * A type that objects may name and this version does not serve: its paths are claimed, so that they never reach a handler that
 * they are not meant for, and answered with 501.
 */
export const unserved = (
  type: ServiceType,
  paths: ReadonlyArray<readonly [method: string, path: string]>,
): ServiceDefinition => {
  const handle: Handle = () =>
    TE.left({ _tag: 'NotImplemented', message: `service type "${type}" is not served by this version` })
  return {
    type,
    routes: (entry): ReadonlyArray<ServiceRoute> =>
      entry.path === undefined
        ? paths
            .filter(([method]) => entry.method === undefined || method === '*' || method === entry.method)
            .map(([method, path]) => ({ method: entry.method ?? method, path, handle }))
        : [{ method: entry.method ?? '*', path: `/namespaces/{namespace}${entry.path}`, handle }],
  }
}
