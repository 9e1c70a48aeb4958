import type { ClaimedApis } from '../discovery.ts'
import { silentLogger, type Logger } from '../logger.ts'
import type { ServiceRoute } from '../service.ts'
import { find, type Place } from './find.ts'
import { createKnown } from './known.ts'
import { createPlans } from './plans.ts'
import { createSharedDocuments } from './shared-document.ts'

export interface DocumentsOptions {
  /** What is claimed at present. */
  readonly apis: () => ClaimedApis
  /** Whether our own group is served here, and so told of; `writable`: with the verbs that change something. */
  readonly registry: 'none' | 'read-only' | 'writable'
  /** Default: says nothing. */
  readonly logger?: Logger
}

export interface FoundDocument {
  readonly route: ServiceRoute
  /** Canonical. */
  readonly path: string
  readonly query: string
}

export interface Documents {
  /** The document that a request is for; `undefined`: none of these, or about nothing that is claimed. Cheap. */
  readonly find: (method: string, target: string) => FoundDocument | undefined
}

/** Templates of their paths, whole. */
const templates: Readonly<Record<Place, string>> = {
  core: '/api',
  groups: '/apis',
  group: '/apis/{group}',
  version: '/apis/{group}/{version}',
  openApiV2: '/openapi/v2',
  openApiV3: '/openapi/v3',
  openApiV3Version: '/openapi/v3/apis/{group}/{version}',
}

/** The documents that tell which APIs there are, merged with those of the handler mounted after us. */
export const createDocuments = ({ apis, registry, logger = silentLogger }: DocumentsOptions): Documents => {
  const known = createKnown(apis, registry)
  const plans = createPlans(known, registry === 'writable')
  const toHandle = createSharedDocuments(logger)
  const route = (place: Place): ServiceRoute => ({
    method: 'GET',
    path: templates[place],
    handle: toHandle(plans[place]),
    isShared: true,
  })
  const routes: Readonly<Record<Place, ServiceRoute>> = {
    core: route('core'),
    groups: route('groups'),
    group: route('group'),
    version: route('version'),
    openApiV2: route('openApiV2'),
    openApiV3: route('openApiV3'),
    openApiV3Version: route('openApiV3Version'),
  }
  // nothing of our own: what is claimed has no kinds, the one thing that this document is read for
  const hasOpenApiV2 = registry !== 'none'
  return {
    find: (method, target) => {
      if (method !== 'GET' && method !== 'HEAD') return undefined
      const found = find(target, known, hasOpenApiV2)
      return found && { route: routes[found.place], path: found.path, query: found.query }
    },
  }
}
