import type { Clock } from '../clock.ts'
import type { KubernetesConnection } from '../kubernetes.ts'
import { type Logger, safeLogger } from '../logger.ts'
import { createContact } from './contact.ts'
import { followCollection } from './follow.ts'
import type { Transport } from './transport.ts'
import { defaultTunables, type ReflectorTunables } from './tunables.ts'

export interface ReflectorOptions {
  readonly transport: Pick<Transport, 'open'>
  readonly call: KubernetesConnection['call']
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly logger: Logger
  readonly tunables?: Partial<ReflectorTunables>
}

/**
 * Gives `follow` of a connection. Whoever closes the transport closes what is followed first: one that waits for its next try holds
 * nothing but a timer. Source: reflector.go of client-go.
 */
export const createReflector = (options: ReflectorOptions): KubernetesConnection['follow'] => {
  const tunables = { ...defaultTunables, ...options.tunables }
  const logger = safeLogger(options.logger)
  const withoutWatchList = new Set<string>()
  return (collection, follower) => {
    const abort = new AbortController()
    const { signal } = abort
    const contact = createContact(follower, { clock: options.clock, logger, path: collection.path, signal })
    // a turn later: nothing is told before this has returned
    const ended = Promise.resolve()
      .then(() => followCollection({ ...options, tunables, logger, withoutWatchList, collection, contact, signal }))
      .catch((error: unknown) => {
        logger.error('a collection is followed no more', { path: collection.path, error })
        contact.failed({ _tag: 'Garbled', message: 'following ended by a fault of its own' })
      })
    return {
      lastHeardMs: contact.lastHeardMs,
      close: () => {
        abort.abort()
        return ended
      },
    }
  }
}
