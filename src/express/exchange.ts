import { setMaxListeners } from 'node:events'

import { unexpected, type AggregatorError, type Result } from '../errors.ts'
import { E, TE } from '../fp.ts'
import { failure, type Arrival, type AskNext, type HttpAnswer } from '../http.ts'
import { bodyReader, discardRest, type BodyReader, type HostRequest } from './body.ts'
import type { Client } from './client.ts'
import type { Delivery } from './pump.ts'
import { askFor, userOf, type Authenticate } from './user.ts'

/** How a claimed request is served. `A` is the claim, which is only handed on. */
export interface Serving<A> {
  /** A refusal passes the same layers, and stands for the answer. */
  readonly serve: (claim: A, arrival: Arrival, signal: AbortSignal, refusal?: AggregatorError) => Result<HttpAnswer>
  readonly bodyLimitBytes: number
  readonly stallMs: number
}

/** One claimed request, and the way that its answer goes. */
export interface Exchange {
  readonly request: HostRequest
  readonly client: Client
  /** Left out: whoever the host's middlewares left on the request. */
  readonly authenticate: Authenticate | undefined
  readonly upgrade?: 'websocket'
  /** Why it cannot be served, whatever the table says. */
  readonly refusal?: AggregatorError | undefined
  /** Resolves when the client has the answer or is gone; never rejects. */
  readonly send: (answer: HttpAnswer, delivery: Delivery) => Promise<void>
  /** Whether the client has read some of it: no other answer can be given then. */
  readonly isBegun: () => boolean
  readonly cut: () => void
  /** Left out where the handler mounted after us has no part in it. */
  readonly next?: {
    readonly ask: AskNext
    /** Lets it have the request, as though nobody had claimed it. False: it is too late for that. */
    readonly passOn: () => boolean
  }
}

export interface Exchanges<A> {
  readonly take: (claim: A, exchange: Exchange) => void
  /** Refuses new claimed requests, waits for the running ones until their clients have the answer, then cancels what is left. */
  readonly drain: (graceMs: number) => Promise<void>
}

const closing: AggregatorError = {
  _tag: 'PluginUnavailable',
  message: 'the server is shutting down',
  retryAfterSeconds: 1,
}

/** Nothing is written to a client that left; one that is still there was cancelled by the drain. */
const refusalOf = (error: AggregatorError): HttpAnswer => failure(error._tag === 'Cancelled' ? closing : error)

/** Time for a cancelled request to tell its client so, ms; then the connection is cut. */
const farewellMs = 500

/** All exchanges under way, whatever carries them. */
export const createExchanges = <A>({ serve, bodyLimitBytes, stallMs }: Serving<A>): Exchanges<A> => {
  const running = new Map<Exchange, Promise<void>>()
  const draining = new AbortController()
  // each stream under way has one
  setMaxListeners(0, draining.signal)

  /** What the host left on the request may throw when it is looked at. */
  const begin = (claim: A, exchange: Exchange, body: BodyReader): Result<HttpAnswer> => {
    const { request, client, authenticate, upgrade, refusal, next } = exchange
    try {
      const arrival: Arrival = {
        method: request.method ?? '',
        headers: request.headers,
        user: authenticate === undefined ? userOf(request) : undefined,
        receivedAtMs: Date.now(),
        over: client.over,
        readJson: body.readJson,
        readBytes: body.readBytes,
        streamBody: body.streamBody,
        ...(authenticate === undefined ? {} : { authenticate: askFor(authenticate, request) }),
        ...(upgrade === undefined ? {} : { upgrade }),
        ...(next === undefined ? {} : { askNext: next.ask }),
      }
      return serve(claim, arrival, client.signal, draining.signal.aborted ? closing : refusal)
    } catch (cause) {
      return TE.left(unexpected(cause))
    }
  }

  const answer = async (claim: A, exchange: Exchange): Promise<void> => {
    const { request, client, send, next } = exchange
    const body = bodyReader(request, bodyLimitBytes)
    const result = await begin(claim, exchange, body)()
    if (E.isLeft(result) && next?.passOn() === true) return
    // a stream may be what is made of the body, bit by bit
    if (!(E.isRight(result) && result.right._tag === 'Stream')) body.stop()
    const { over, fail } = client
    const delivery = { stallMs, over, shutdown: draining.signal, onFailure: fail }
    await send(E.isRight(result) ? result.right : refusalOf(result.left), delivery)
    body.stop()
    discardRest(request)
  }

  const take: Exchanges<A>['take'] = (claim, exchange) => {
    const done = answer(claim, exchange)
    running.set(exchange, done)
    void done.finally(() => running.delete(exchange))
  }

  const drain = async (graceMs: number): Promise<void> => {
    draining.abort()
    const after = (delayMs: number, end: (exchange: Exchange) => void): NodeJS.Timeout =>
      setTimeout(() => {
        for (const exchange of running.keys()) end(exchange)
      }, delayMs)
    const timers = [
      after(graceMs, ({ client, isBegun, cut }) => {
        client.cancel()
        if (isBegun()) cut()
      }),
      after(graceMs + farewellMs, ({ cut }) => {
        cut()
      }),
    ]
    await Promise.allSettled([...running.values()])
    for (const timer of timers) clearTimeout(timer)
  }

  return { take, drain }
}
