import type { IncomingMessage, ServerResponse } from 'node:http'

import { type AggregatorError, type Result } from '../errors.ts'
import { E } from '../fp.ts'
import { failure, type Arrival, type HttpAnswer, type User } from '../http.ts'
import { send } from './answer.ts'
import { readJson, type HostRequest } from './body.ts'

/** Behind the door: who claims a request, and how a claimed one is served. `A` is the claim, which the door only hands on. */
export interface Inside<A> {
  readonly match: (method: string, url: string) => A | undefined
  readonly serve: (claim: A, arrival: Arrival, signal: AbortSignal) => Result<HttpAnswer>
  readonly bodyLimitBytes: number
}

export interface Door {
  /** An Express middleware that touches node:http alone, so Connect, Express 4 and 5 and a plain server can all call it. */
  readonly handler: (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void
  /** Refuses new claimed requests, waits for the running ones, then cancels what is left. */
  readonly drain: (graceMs: number) => Promise<void>
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** `req.user`, as authentication middlewares leave it: whoever stands there with a name of some spelling. */
const userOf = (request: object): User | undefined => {
  const user: unknown = 'user' in request ? request.user : undefined
  if (!isRecord(user)) return undefined
  const name = text(user['name']) ?? text(user['login']) ?? text(user['username'])
  if (name === undefined) return undefined
  const { displayName, email, role, groups, uid } = user
  return {
    name,
    ...(Array.isArray(groups) ? { groups: groups.filter((group) => typeof group === 'string') } : {}),
    ...(text(uid) === undefined ? {} : { uid: String(uid) }),
    ...(text(displayName) === undefined ? {} : { displayName: String(displayName) }),
    ...(text(email) === undefined ? {} : { email: String(email) }),
    ...(text(role) === undefined ? {} : { role: String(role) }),
  }
}

const closing: AggregatorError = {
  _tag: 'PluginUnavailable',
  message: 'the server is shutting down',
  retryAfterSeconds: 1,
}

/**
 * The door between Express and the pipeline. A request that nobody claims goes to `next()`, synchronously, with no argument and
 * untouched. A claimed one is read, served and answered here; a client that leaves aborts what it waits for at once.
 */
export const door = <A>({ match, serve, bodyLimitBytes }: Inside<A>): Door => {
  const running = new Map<AbortController, Promise<void>>()
  let isDraining = false

  const answer = async (claim: A, request: HostRequest, response: ServerResponse): Promise<void> => {
    const client = new AbortController()
    const left = (): void => {
      if (!response.writableFinished) client.abort()
    }
    response.once('close', left)
    const arrival: Arrival = {
      method: request.method ?? '',
      headers: request.headers,
      user: userOf(request),
      receivedAtMs: Date.now(),
      readJson: readJson(request, bodyLimitBytes),
    }
    const done = serve(claim, arrival, client.signal)().then((result) => {
      if (E.isRight(result)) return send(response, result.right)
      // Nothing is written to a client that left; one that is still there was cancelled by the drain.
      return send(response, failure(result.left._tag === 'Cancelled' ? closing : result.left))
    })
    running.set(client, done)
    await done
    running.delete(client)
  }

  const handler: Door['handler'] = (request, response, next) => {
    const claim = match(request.method ?? '', request.url ?? '')
    if (claim === undefined) next()
    else if (isDraining) void send(response, failure(closing))
    else void answer(claim, request, response)
  }

  const drain = async (graceMs: number): Promise<void> => {
    isDraining = true
    const all = Promise.allSettled(running.values())
    const timer = setTimeout(() => {
      for (const client of running.keys()) client.abort()
    }, graceMs)
    await all
    clearTimeout(timer)
  }

  return { handler, drain }
}
