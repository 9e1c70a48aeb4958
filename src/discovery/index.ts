import type { ClaimedApis } from '../discovery.ts'
import type { ServiceRoute } from '../service.ts'

export interface DocumentsOptions {
  /** What is claimed at present. */
  readonly apis: () => ClaimedApis
  /** Whether our own group is served here, and so told of; `writable`: with the verbs that change something. */
  readonly registry: 'none' | 'read-only' | 'writable'
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

/** The documents that tell which APIs there are, merged with those of the handler mounted after us. */
export const createDocuments = (_options: DocumentsOptions): Documents => ({ find: () => undefined })
