import type { IncomingMessage, ServerResponse } from 'node:http'

import { unexpected, type AggregatorError, type Result } from '../errors.ts'
import { E, TE } from '../fp.ts'
import { failure, type Arrival, type HttpAnswer } from '../http.ts'
import { send } from './answer.ts'
import { bodyReader, discardRest, type BodyReader, type HostRequest } from './body.ts'
import { watchClient, type Client } from './client.ts'
import { askFor, userOf, type Authenticate } from './user.ts'

/** Behind the door: who claims a request, and how a claimed one is served. `A` is the claim, which the door only hands on. */
export interface Inside<A> {
  readonly match: (method: string, url: string) => A | undefined
  /** A refusal passes the same layers, and stands for the answer. */
  readonly serve: (claim: A, arrival: Arrival, signal: AbortSignal, refusal?: AggregatorError) => Result<HttpAnswer>
  readonly bodyLimitBytes: number
  readonly stallMs: number
  /** Says who asks; left out: whoever the host's middlewares left on the request. */
  readonly authenticate?: Authenticate | undefined
}

export interface Door {
  /** An Express middleware that touches node:http alone, so Connect, Express 4 and 5 and a plain server can all call it. */
  readonly handler: (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void
  /** Refuses new claimed requests, waits for the running ones until their clients have the answer, then cancels what is left. */
  readonly drain: (graceMs: number) => Promise<void>
}

const closing: AggregatorError = {
  _tag: 'PluginUnavailable',
  message: 'the server is shutting down',
  retryAfterSeconds: 1,
}

/** Nothing is written to a client that left; one that is still there was cancelled by the drain. */
const refusal = (error: AggregatorError): HttpAnswer => failure(error._tag === 'Cancelled' ? closing : error)

/** Time for a cancelled request to tell its client so, ms; then the connection is cut. */
const farewellMs = 500

interface Running {
  readonly client: Client
  readonly response: ServerResponse
  readonly done: Promise<void>
}

/**
 * The door between Express and the pipeline. A request that nobody claims goes to `next()`, synchronously, with no argument and
 * untouched. A claimed one is read, served and answered here; a client that leaves aborts what it waits for at once.
 */
export const door = <A>({ match, serve, bodyLimitBytes, stallMs, authenticate }: Inside<A>): Door => {
  const running = new Set<Running>()
  const draining = new AbortController()

  /** What the host left on the request may throw when it is looked at. */
  const begin = (claim: A, request: HostRequest, client: Client, body: BodyReader): Result<HttpAnswer> => {
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
      }
      return serve(claim, arrival, client.signal, draining.signal.aborted ? closing : undefined)
    } catch (cause) {
      return TE.left(unexpected(cause))
    }
  }

  const answer = async (claim: A, request: HostRequest, response: ServerResponse, client: Client): Promise<void> => {
    const body = bodyReader(request, bodyLimitBytes)
    const result = await begin(claim, request, client, body)()
    // a stream may be what is made of the body, bit by bit
    if (!(E.isRight(result) && result.right._tag === 'Stream')) body.stop()
    const { over, fail } = client
    const delivery = { stallMs, over, shutdown: draining.signal, onFailure: fail }
    await send(response, E.isRight(result) ? result.right : refusal(result.left), delivery)
    body.stop()
    discardRest(request)
  }

  const handler: Door['handler'] = (request, response, next) => {
    const claim = match(request.method ?? '', request.url ?? '')
    if (claim === undefined) {
      next()
      return
    }
    const client = watchClient(request, response)
    if (client === undefined) return
    const entry: Running = { client, response, done: answer(claim, request, response, client) }
    running.add(entry)
    void entry.done.finally(() => running.delete(entry))
  }

  const drain = async (graceMs: number): Promise<void> => {
    draining.abort()
    const after = (delayMs: number, cut: (entry: Running) => void): NodeJS.Timeout =>
      setTimeout(() => {
        for (const entry of running) cut(entry)
      }, delayMs)
    const timers = [
      after(graceMs, ({ client, response }) => {
        client.cancel()
        if (response.headersSent) response.destroy()
      }),
      after(graceMs + farewellMs, ({ response }) => response.destroy()),
    ]
    await Promise.allSettled([...running].map(({ done }) => done))
    for (const timer of timers) clearTimeout(timer)
  }

  return { handler, drain }
}
