import type { ServiceType } from '../api/dataplane-service.ts'
import { TE } from '../fp.ts'
import type { ServiceDefinition } from '../service.ts'

export const unserved = (type: ServiceType, path: string): ServiceDefinition => ({
  type,
  routes: ({ method = '*', path: own = path }) => [
    {
      method,
      path: own,
      handle: () =>
        TE.left({ _tag: 'NotImplemented', message: `service type "${type}" is not served by this version` }),
    },
  ],
})
