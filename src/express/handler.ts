import type { IncomingMessage, ServerResponse } from 'node:http'

import { cut, send } from './answer.ts'
import { watchClient } from './client.ts'
import { createExchanges, type Serving } from './exchange.ts'
import { createUpgrades, type Upgrades } from './upgrade.ts'
import type { Authenticate } from './user.ts'

/** Behind the door: who claims a request, and how a claimed one is served. `A` is the claim, which the door only hands on. */
export interface Inside<A> extends Serving<A> {
  readonly match: (method: string, url: string) => A | undefined
  /** Says who asks; left out: whoever the host's middlewares left on the request. */
  readonly authenticate?: Authenticate | undefined
}

export interface Door {
  /** An Express middleware that touches node:http alone, so Connect, Express 4 and 5 and a plain server can all call it. */
  readonly handler: (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void
  readonly upgrade: Upgrades['upgrade']
  /** Refuses new claimed requests, waits for the running ones until their clients have the answer, then cancels what is left. */
  readonly drain: (graceMs: number) => Promise<void>
}

/**
 * The door between Express and the pipeline. A request that nobody claims goes to `next()`, synchronously, with no argument and
 * untouched. A claimed one is read, served and answered here; a client that leaves aborts what it waits for at once.
 */
export const door = <A>({ match, authenticate, ...serving }: Inside<A>): Door => {
  const { take, drain } = createExchanges(serving)
  const { upgrade, detach } = createUpgrades({ match, take, authenticate })

  const handler: Door['handler'] = (request, response, next) => {
    const claim = match(request.method ?? '', request.url ?? '')
    if (claim === undefined) {
      next()
      return
    }
    const client = watchClient(request, response)
    if (client === undefined) return
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
