import { systemClock } from '../clock.ts'
import { E } from '../fp.ts'
import type { ConnectOptions, KubernetesApi, KubernetesCall, KubernetesConnection } from '../kubernetes.ts'
import { safeLogger, silentLogger } from '../logger.ts'
import type { Access } from './access.ts'
import { createCall } from './call.ts'
import { createCredentials } from './credentials.ts'
import { cancelled } from './failure.ts'
import { createHttpTransport } from './http-transport.ts'
import { createElections } from './lease.ts'
import { createReflector } from './reflector.ts'

const closed = Promise.resolve()

/**
 * What is open on a connection ends with it, in this order: what follows, and calls of its user; elections, which have a Lease to give
 * back; sockets and commands.
 */
export const createConnection = (access: Access, options: ConnectOptions = {}): KubernetesConnection => {
  const { clock = systemClock } = options
  const logger = safeLogger(options.logger ?? silentLogger)
  const transport = createHttpTransport(access, createCredentials(access, clock, logger), clock)
  const { origin, namespace } = transport
  if (access.warning !== undefined) logger.warn(access.warning, { origin })

  const call = createCall(transport, clock)
  const followings = createReflector({ transport, call, clock, random: Math.random, logger })
  const elections = createElections({ call, clock, random: Math.random, logger })
  /** What is open, by how it is closed. */
  const open = {
    calls: new Set<() => void>(),
    followings: new Set<() => Promise<void>>(),
    elections: new Set<() => Promise<void>>(),
  }
  let closing: Promise<void> | undefined

  /** Closed by its user or with the connection, whichever comes first. */
  const closeOnce = (set: Set<() => Promise<void>>, close: () => Promise<void>): (() => Promise<void>) => {
    let ended: Promise<void> | undefined
    const once = (): Promise<void> => {
      ended ??= close().finally(() => set.delete(once))
      return ended
    }
    set.add(once)
    return once
  }

  const userCall = async (asked: KubernetesCall) => {
    if (closing !== undefined) return E.left(cancelled)
    const controller = new AbortController()
    const abort = (): void => {
      controller.abort()
    }
    const { signal } = asked
    if (signal?.aborted === true) return E.left(cancelled)
    signal?.addEventListener('abort', abort)
    open.calls.add(abort)
    const answer = await call({ ...asked, signal: controller.signal })()
    open.calls.delete(abort)
    signal?.removeEventListener('abort', abort)
    return answer
  }

  const end = async (): Promise<void> => {
    for (const abort of [...open.calls]) abort()
    await Promise.allSettled([...open.followings].map((close) => close()))
    await Promise.allSettled([...open.elections].map((close) => close()))
    await transport.close()
  }

  return {
    origin,
    namespace,
    call: (asked) => () => userCall(asked),
    follow: (collection, follower) => {
      if (closing !== undefined) return { lastHeardMs: () => undefined, close: () => closed }
      const following = followings(collection, follower)
      return { lastHeardMs: following.lastHeardMs, close: closeOnce(open.followings, following.close) }
    },
    elect: (asked) => {
      if (closing !== undefined) return { isLeader: () => false, close: () => closed }
      const election = elections(asked)
      return { isLeader: election.isLeader, close: closeOnce(open.elections, election.close) }
    },
    close: () => (closing ??= end()),
  }
}

export const toApi = (access: Access): KubernetesApi =>
  Object.freeze({ connect: (options?: ConnectOptions) => createConnection(access, options) })
