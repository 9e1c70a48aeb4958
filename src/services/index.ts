import { serviceTypes, type ServiceType } from '../api/dataplane-service.ts'
import type { FrameEncoders, ServiceDefinition } from '../service.ts'
import { admission } from './admission.ts'
import { orBackend } from './backend.ts'
import { conversion } from './conversion.ts'
import { datasourceProxy } from './datasource-proxy.ts'
import { health } from './health.ts'
import { metrics } from './metrics.ts'
import { query } from './query.ts'
import { route } from './route.ts'
import { settings } from './settings.ts'
import { stream } from './stream.ts'

/** Every service type there is; the compiler names the missing line when one is added to the list. */
const ownDefinitions = (frames: FrameEncoders): Record<ServiceType, ServiceDefinition> => ({
  admission,
  conversion,
  query: query(frames),
  stream,
  route,
  'datasource-proxy': datasourceProxy(),
  settings,
  health,
  metrics,
})

/** Every service type, as it is served: by the plugin, or by what stands in its stead. */
export const serviceDefinitions = (frames: FrameEncoders): Readonly<Record<ServiceType, ServiceDefinition>> => {
  const definitions = ownDefinitions(frames)
  for (const type of serviceTypes) definitions[type] = orBackend(definitions[type])
  return definitions
}
