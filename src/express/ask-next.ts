import type { IncomingMessage, ServerResponse } from 'node:http'

import type { AskNext, NextAnswer } from '../http.ts'
import { cut } from './answer.ts'
import type { Client } from './client.ts'
import { lend } from './lent-request.ts'
import { lendResponse, type LentResponse } from './lent-response.ts'

/** The way to the handler mounted after us, from a request that it may have a part in. */
export interface NextHandler {
  /** Once; from then on the request is answered here. */
  readonly ask: AskNext
  /** Lets it have the request as though nobody had claimed it. False: it was asked already, or the client is gone. */
  readonly passOn: () => boolean
  /** To be called before anything is done to the response: it is ours alone from then on. */
  readonly takeBack: () => void
}

export const nextHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  next: () => void,
  client: Pick<Client, 'over' | 'release'>,
): NextHandler => {
  let isUsed = false
  let lent: LentResponse | undefined

  const ask: AskNext = (headers, timeoutMs) => {
    if (isUsed || response.destroyed || response.headersSent) return Promise.resolve(undefined)
    isUsed = true
    return new Promise((resolve) => {
      const giveBack = lend(request, headers)
      let isDone = false
      const done = (answer?: NextAnswer): void => {
        if (isDone) return
        isDone = true
        clearTimeout(timer)
        giveBack()
        resolve(answer)
      }
      const timer = setTimeout(done, timeoutMs)
      lent = lendResponse(response)
      void lent.said.then(done)
      void client.over.then(() => {
        done()
      })
      try {
        next()
      } catch {
        // no handler of Express throws here, but a plain server's may
        done()
      }
    })
  }

  const passOn = (): boolean => {
    if (isUsed || response.destroyed || response.headersSent || request.socket.destroyed) return false
    isUsed = true
    client.release()
    try {
      next()
    } catch {
      cut(response)
    }
    return true
  }
  return {
    ask,
    passOn,
    takeBack: () => {
      lent?.takeBack()
      lent = undefined
    },
  }
}
