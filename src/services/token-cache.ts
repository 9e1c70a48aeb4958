import type { AccessToken } from '../api/access-token.ts'
import { unexpected, type AggregatorError, type Result } from '../errors.ts'
import { E } from '../fp.ts'

type Outcome = E.Either<AggregatorError, AccessToken>

/** One call to a token endpoint, shared by all who want the same token meanwhile. */
interface Flight {
  readonly outcome: Promise<Outcome>
  readonly controller: AbortController
  waiting: number
}

/** What is asked for a token. */
export interface TokenWish {
  /** Whoever has the same key gets the same token: it tells of everything that the token depends on. */
  readonly key: string
  readonly fetch: (signal: AbortSignal) => Result<AccessToken>
  /** ms since the epoch. */
  readonly nowMs: number
  /** Of the one who waits. */
  readonly signal: AbortSignal
}

/** Tokens of datasources, not of users: no key holds anything of a request's. */
export interface TokenCache {
  readonly get: (wish: TokenWish) => Result<string>
  /** It was refused: the next one to ask gets another, unless somebody has fetched that by now. */
  readonly forget: (key: string, token: string) => void
}

export interface TokenCacheOptions {
  /** Tokens held at most; the least recently used goes first. */
  readonly maxEntries?: number
  /** A call that takes longer is given up, ms. */
  readonly timeoutMs?: number
}

/** A token that ends this soon is not used any more. Source: token_provider_generic.go of Grafana. */
const marginMs = 10_000

const tooLate: AggregatorError = { _tag: 'GatewayTimeout', message: 'no token: its endpoint did not answer in time' }

/**
 * Remembers tokens until shortly before they end. Who wants the same at the same time shares one call, which is aborted when the last
 * of them has left; nobody waits for another key's. Only tokens that say when they end are remembered.
 */
export const createTokenCache = ({ maxEntries = 1000, timeoutMs = 30_000 }: TokenCacheOptions = {}): TokenCache => {
  const known = new Map<string, AccessToken>()
  const flights = new Map<string, Flight>()

  const remember = (key: string, token: AccessToken): void => {
    known.delete(key)
    known.set(key, token)
    const [oldest] = known.keys()
    if (known.size > maxEntries && oldest !== undefined) known.delete(oldest)
  }

  const start = ({ key, fetch }: TokenWish): Flight => {
    const controller = new AbortController()
    const time = AbortSignal.timeout(timeoutMs)
    const land = (outcome: Outcome): Outcome => {
      // Not so when all who waited have left: another flight may have taken the key.
      if (flights.get(key) === flight) {
        flights.delete(key)
        if (E.isRight(outcome) && outcome.right.expiresAtMs !== undefined) remember(key, outcome.right)
      }
      return E.isLeft(outcome) && time.aborted ? E.left(tooLate) : outcome
    }
    const outcome = fetch(AbortSignal.any([controller.signal, time]))()
      .catch((cause: unknown): Outcome => E.left(unexpected(cause)))
      .then(land)
    const flight: Flight = { outcome, controller, waiting: 0 }
    flights.set(key, flight)
    return flight
  }

  const leave = (key: string, flight: Flight): void => {
    flight.waiting--
    if (flight.waiting > 0 || flights.get(key) !== flight) return
    flights.delete(key)
    flight.controller.abort()
  }

  const join = (wish: TokenWish): Promise<E.Either<AggregatorError, string>> =>
    new Promise((resolve) => {
      const { key, signal } = wish
      const flight = flights.get(key) ?? start(wish)
      flight.waiting++
      const end = (outcome: E.Either<AggregatorError, string>): void => {
        signal.removeEventListener('abort', onAbort)
        leave(key, flight)
        resolve(outcome)
      }
      const onAbort = (): void => {
        end(E.left({ _tag: 'Cancelled' }))
      }
      signal.addEventListener('abort', onAbort)
      void flight.outcome.then((outcome) => {
        if (!signal.aborted) end(E.map(({ value }: AccessToken) => value)(outcome))
      })
    })

  return {
    get: (wish) => () => {
      const { key, nowMs, signal } = wish
      if (signal.aborted) return Promise.resolve(E.left({ _tag: 'Cancelled' }))
      const token = known.get(key)
      if (token?.expiresAtMs === undefined || token.expiresAtMs - marginMs <= nowMs) return join(wish)
      remember(key, token)
      return Promise.resolve(E.right(token.value))
    },
    forget: (key, token) => {
      if (known.get(key)?.value === token) known.delete(key)
    },
  }
}
