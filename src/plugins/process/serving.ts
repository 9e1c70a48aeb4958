import { E } from '../../fp.ts'
import type { PluginSettings } from '../options.ts'
import type { Calls } from './calls.ts'
import type { Clock } from '../../clock.ts'
import { createHealth, type Health, type HealthListener } from './health.ts'
import type { Peer, PeerExit } from './peer.ts'
import { abandon, drain, type Target } from './target.ts'

/** A peer that calls are made on. */
export interface Serving {
  readonly peer: Peer
  readonly found: E.Either<never, Target>
  readonly health: Pick<Health, 'check' | 'suspect'>
  /** Of its program. */
  readonly stamp: string | undefined
  /** Lets its calls end, then ends it. Rejects when it cannot be ended. */
  retire(): Promise<void>
}

export interface ServingOptions {
  readonly peer: Peer
  readonly stamp: string | undefined
  readonly calls: Calls
  readonly settings: Pick<PluginSettings, 'probe' | 'drainMs'>
  readonly clock: Clock
}

export interface ServingListener extends Omit<HealthListener, 'onLost'> {
  /** It is gone, whether or not it was told to go; `why` is for the log. */
  onEnd(exit: PeerExit, why: string): void
}

const wayOf = ({ code, signal, error }: PeerExit): string =>
  error?.message ?? `exited with ${signal === null ? `code ${String(code)}` : `signal ${signal}`}`

/** Watches over a peer from its start to its end; one that does not answer any more is killed. */
export const createServing = (options: ServingOptions, listener: ServingListener): Serving => {
  const { peer, stamp, calls, settings, clock } = options
  let killedFor: string | undefined
  const health = createHealth(peer, settings.probe, {
    onHealthy: listener.onHealthy,
    onUnhealthy: listener.onUnhealthy,
    onLost: ({ message }) => {
      killedFor = `health check: ${message}`
      peer.kill()
    },
  })
  const target = calls.createTarget(peer.client, health)
  void peer.ended.then((exit) => {
    health.end()
    abandon(target)
    // what ended by itself may have been found out of reach before it was found gone
    listener.onEnd(exit, (exit.code === null ? killedFor : undefined) ?? wayOf(exit))
  })
  return {
    peer,
    found: E.right(target),
    health,
    stamp,
    retire: async () => {
      health.end()
      await drain(target, settings.drainMs, clock)
      await peer.stop()
    },
  }
}
