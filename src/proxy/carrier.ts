import { IncomingMessage, type Agent, type ClientRequest } from 'node:http'

import { createProxyMiddleware } from 'http-proxy-middleware'

import type { Destination } from './destination.ts'

/**
 * What the carrier is given for a request: all that http-proxy asks of one, and nothing of a client's. It is asked to `pipe` its body
 * as soon as the outgoing request is made, before anything of it is sent: from then on that one is in our hands.
 */
export interface Cargo {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string | string[]>
  readonly target: Destination['target']
  readonly pipe: (out: ClientRequest) => void
  readonly onAnswer: (answer: IncomingMessage) => void
  /** May be told more than once, and late. */
  readonly onError: (error: unknown) => void
  /** Listeners for a client that leaves: of that the signal tells. */
  readonly on: () => void
  /** It looks here whether the client has left. */
  readonly socket: { readonly destroyed: false }
}

export type Carry = (cargo: Cargo) => void

/** Where it would write an answer; it says that one was written, so that the carrier does not. */
const answered = { headersSent: true, finished: true }

/**
 * The only user of http-proxy-middleware: its parts that answer, log and rewrite are left out, what remains makes the request to the
 * target and tells of what becomes of it. Nothing is thrown, everything comes to `onAnswer` or `onError`.
 */
export const createCarrier = (agent: Agent): Carry => {
  const middleware = createProxyMiddleware<Cargo, typeof answered, (error?: unknown) => void>({
    router: ({ target }) => target,
    agent,
    selfHandleResponse: true,
    followRedirects: false,
    // else the URL is parsed and put together again
    toProxy: true,
    prependPath: false,
    ejectPlugins: true,
    plugins: [
      (proxy) => {
        proxy.on('proxyRes', (answer, cargo) => {
          // its declaration takes it for a request of the client's
          const given: unknown = answer
          if (given instanceof IncomingMessage) cargo.onAnswer(given)
        })
        proxy.on('error', (error, cargo) => {
          cargo.onError(error)
        })
      },
    ],
  })
  return (cargo) => {
    void middleware(cargo, answered, cargo.onError).catch(cargo.onError)
  }
}
