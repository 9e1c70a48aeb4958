import type { Logger } from '../logger.ts'
import type { ObjectStore } from '../object-store.ts'
import type { ServiceRoute } from '../service.ts'

export interface RegistryOptions {
  readonly objects: ObjectStore
  /** Refuses what would change something. */
  readonly isReadOnly: boolean
  readonly logger: Logger
  /** The clock behind times in metadata, ms since the epoch. Default: Date.now. */
  readonly now?: () => number
}

/** The objects as a Kubernetes API: routes below `/apis/aggregation.grafana.app/v0alpha1`. */
export const registryRoutes = (_options: RegistryOptions): ReadonlyArray<ServiceRoute> => []
