import type { Probe } from '../options.ts'
import type { Peer, PingFailure } from './peer.ts'

/** What is known of one peer's health. */
export interface Health {
  /** Asks it now, unless it is being asked. */
  check(): void
  /** Asks it now if it was well so far: of one that is not, nothing worse can be suspected. */
  readonly suspect: () => void
  /** It answered a call, which says as much as a health check. */
  succeeded(): void
  /** Nobody is to be told any more. */
  end(): void
}

export interface HealthListener {
  onHealthy(): void
  onUnhealthy(failure: PingFailure): void
  /** It will not come back by itself: end it. The last word. */
  onLost(failure: PingFailure): void
}

const askedInVain = (cause: unknown): PingFailure => ({ kind: 'silent', message: String(cause) })

/**
 * Counts answers and failures in a row, so that one lost answer downs no plugin. A peer that cannot be reached twice is lost at
 * once: a socket file that was removed never comes back.
 */
export const createHealth = (peer: Pick<Peer, 'ping'>, probe: Probe, listener: HealthListener): Health => {
  let failures = 0
  let successes = 0
  let isHealthy = true
  let isAsking = false
  let isEnded = false

  const succeeded = (): void => {
    failures = 0
    if (isHealthy || isEnded) return
    successes += 1
    if (successes < probe.successes) return
    isHealthy = true
    listener.onHealthy()
  }

  const failed = (failure: PingFailure): void => {
    successes = 0
    failures += 1
    if (failure.kind === 'unreachable' || failures >= probe.restartAfter) {
      isEnded = true
      listener.onLost(failure)
    } else if (isHealthy && failures >= probe.failures) {
      isHealthy = false
      listener.onUnhealthy(failure)
    }
  }

  const ping = (): Promise<PingFailure | undefined> => peer.ping(probe.timeoutMs).catch(askedInVain)

  const ask = async (): Promise<void> => {
    isAsking = true
    const first = await ping()
    // a server that lets go of a connection refuses what is on it, and takes the next one
    const failure = first?.kind === 'unreachable' && !isEnded ? await ping() : first
    isAsking = false
    if (isEnded) return
    if (failure === undefined) succeeded()
    else failed(failure)
  }

  const check = (): void => {
    if (!isAsking && !isEnded) void ask()
  }
  return {
    check,
    suspect: () => {
      if (isHealthy) check()
    },
    succeeded,
    end: () => {
      isEnded = true
    },
  }
}
