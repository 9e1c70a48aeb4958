import type { IncomingMessage, ServerResponse } from 'node:http'

import type { HttpAnswer } from '../http.ts'
import { cut, send } from './answer.ts'
import { nextHandler } from './ask-next.ts'
import { watchClient, type Client } from './client.ts'
import { createExchanges, type Serving } from './exchange.ts'
import { createUpgrades, type Upgrades } from './upgrade.ts'
import type { Authenticate } from './user.ts'

/** Behind the door: who claims a request, and how a claimed one is served. `A` is the claim, which the door only hands on. */
export interface Inside<A> extends Serving<A> {
  readonly match: (method: string, url: string) => A | undefined
  /** Says who asks; left out: whoever the host's middlewares left on the request. */
  readonly authenticate?: Authenticate | undefined
  /** Whether the handler mounted after us has a part in the answer, and answers alone where ours fails before. Default: never. */
  readonly isShared?: (claim: A) => boolean
}

export interface Door {
  /** An Express middleware that touches node:http alone, so Connect, Express 4 and 5 and a plain server can all call it. */
  readonly handler: (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void
  readonly upgrade: Upgrades['upgrade']
  /** Refuses new claimed requests, waits for the running ones until their clients have the answer, then cancels what is left. */
  readonly drain: (graceMs: number) => Promise<void>
}

/** What the host's middlewares before us made the answer depend on, it still depends on. */
const besideTheirs = (response: ServerResponse, answer: HttpAnswer): HttpAnswer => {
  const [theirs, ours] = [response.getHeader('vary'), answer.headers['vary']]
  if (theirs === undefined || ours === undefined) return answer
  return { ...answer, headers: { ...answer.headers, vary: [theirs, ours].flat().join(', ') } }
}

/**
 * The door between Express and the pipeline. A request that nobody claims goes to `next()`, synchronously, with no argument and
 * untouched. A claimed one is read, served and answered here; a client that leaves aborts what it waits for at once.
 */
export const door = <A>({ match, authenticate, isShared = () => false, ...serving }: Inside<A>): Door => {
  const { take, drain } = createExchanges(serving)
  /** An upgrade that the next handler has a part in is nobody's: it is asked for no document. */
  const matchUpgrade = (method: string, url: string): A | undefined => {
    const claim = match(method, url)
    return claim === undefined || isShared(claim) ? undefined : claim
  }
  const { upgrade, detach } = createUpgrades({ match: matchUpgrade, take, authenticate })

  const takeShared = (claim: A, client: Client, [request, response, next]: Parameters<Door['handler']>): void => {
    const after = nextHandler(request, response, next, client)
    take(claim, {
      request,
      client,
      authenticate,
      send: (answer, delivery) => {
        after.takeBack()
        return send(response, besideTheirs(response, answer), delivery)
      },
      isBegun: () => response.headersSent,
      cut: () => {
        after.takeBack()
        cut(response)
      },
      next: after,
    })
  }

  const handler: Door['handler'] = (request, response, next) => {
    const claim = match(request.method ?? '', request.url ?? '')
    if (claim === undefined) {
      next()
      return
    }
    const client = watchClient(request, response)
    if (client === undefined) return
    if (isShared(claim)) {
      takeShared(claim, client, [request, response, next])
      return
    }
    take(claim, {
      request,
      client,
      authenticate,
      send: (answer, delivery) => send(response, answer, delivery),
      isBegun: () => response.headersSent,
      cut: () => {
        cut(response)
      },
    })
  }
  return {
    handler,
    upgrade,
    drain: async (graceMs) => {
      await drain(graceMs)
      detach()
    },
  }
}
