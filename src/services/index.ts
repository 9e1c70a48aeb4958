import type { ServiceType } from '../api/dataplane-service.ts'
import type { FrameEncoders, ServiceDefinition } from '../service.ts'
import { admission } from './admission.ts'
import { query } from './query.ts'
import { unserved } from './unserved.ts'

/** Every service type there is; the compiler names the missing line when one is added to the list. */
export const serviceDefinitions = (frames: FrameEncoders): Readonly<Record<ServiceType, ServiceDefinition>> => ({
  admission,
  conversion: unserved('conversion', '/conversion'),
  query: query(frames),
  stream: unserved('stream', '/stream/*'),
  route: unserved('route', '/resources/*'),
  'datasource-proxy': unserved('datasource-proxy', '/proxy/*'),
  settings: unserved('settings', '/settings'),
  health: unserved('health', '/health'),
  metrics: unserved('metrics', '/metrics'),
})
