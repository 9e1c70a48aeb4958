import type { ClientRequest, IncomingMessage } from 'node:http'

import type { AggregatorError } from '../errors.ts'
import type { ForwardAnswer, ForwardRequest } from '../forward.ts'
import { E } from '../fp.ts'
import type { ByteStream } from '../http.ts'
import { answerBody, type AnswerBody } from './answer-body.ts'
import type { Cargo, Carry } from './carrier.ts'
import type { Destination } from './destination.ts'
import { badGateway, gatewayTimeout, isReset, toFailure } from './failure.ts'
import { answerHeaders, requestHeaders } from './headers.ts'
import { sendBody } from './request-body.ts'

/** What carries requests to a datasource. */
export interface Way {
  readonly carry: Carry
  /** Closes kept connections that carry no request. */
  readonly closeIdle: () => void
}

type Outcome = E.Either<AggregatorError, ForwardAnswer>

const nothing = (): void => undefined
const connected = { destroyed: false } as const
const empty: ByteStream = {
  [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }),
}

/** RFC 9110, 9.2.2: done twice they are as if done once. */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
const withoutBody: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])

/** http-proxy reads two slashes at the beginning as a host. */
const isMistakable = (path: string): boolean => /^\/[/\\]/.test(path)

const declaredLength = ({ headers }: ForwardRequest): number | undefined => {
  const given = headers['content-length']
  return typeof given === 'string' && /^\d{1,15}$/.test(given) ? Number(given) : undefined
}

const isBodiless = (method: string, { status, headers }: Pick<ForwardAnswer, 'status' | 'headers'>): boolean =>
  method === 'HEAD' || status === 204 || status === 304 || headers['content-length'] === '0'

/**
 * One request and its answer. However it ends, the body of the request is let go of, and the connection is either whole, and kept, or
 * closed. A kept connection which the server has closed meanwhile is no failure of a request that may be sent twice: it is, once.
 */
export const exchange = (
  request: ForwardRequest,
  { target, path }: Destination,
  { carry, closeIdle }: Way,
  signal: AbortSignal,
): Promise<Outcome> =>
  new Promise((resolve) => {
    const method = request.method.toUpperCase()
    const { body, transport } = request
    const { timeoutMs } = transport
    let mayRetry = idempotent.has(method) && (body === undefined || body instanceof Uint8Array)
    let isAnswered = false
    let isOver = false
    let out: ClientRequest | undefined
    let answer: AnswerBody | undefined
    let stopBody = nothing
    let timer: NodeJS.Timeout | undefined

    const letGo = (): void => {
      isOver = true
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      stopBody()
    }
    const fail = (error: AggregatorError): void => {
      if (isOver) return
      letGo()
      out?.destroy()
      answer?.fail(error)
      resolve(E.left(error))
    }
    const onAbort = (): void => {
      fail({ _tag: 'Cancelled' })
    }
    /** The answer is whole, or nobody wants the rest. */
    const finish = (): void => {
      if (isOver) return
      letGo()
      // nothing, when the connection is kept: then it is detached already
      out?.destroy()
    }

    const send = (made: ClientRequest): void => {
      // http-proxy makes one slash of two; Node has checked nothing but the characters, and so have we
      made.path = path
      if (body === undefined) {
        if (!withoutBody.has(method)) made.setHeader('content-length', '0')
        made.end()
      } else if (body instanceof Uint8Array) {
        made.setHeader('content-length', String(body.length))
        made.end(body)
      } else {
        const length = declaredLength(request)
        if (length === undefined) {
          // http-proxy gives one to DELETE and OPTIONS
          made.removeHeader('content-length')
          made.setHeader('transfer-encoding', 'chunked')
        } else made.setHeader('content-length', String(length))
        stopBody = sendBody(body, length, made, fail)
      }
    }
    const onAnswer = (incoming: IncomingMessage): void => {
      if (isOver) return
      isAnswered = true
      clearTimeout(timer)
      const head = { status: incoming.statusCode ?? 502, headers: answerHeaders(incoming.rawHeaders) }
      // one that nobody iterates would hold its connection
      if (isBodiless(method, head)) incoming.on('end', finish).on('error', nothing).resume()
      else answer = answerBody(incoming, finish)
      resolve(E.right({ ...head, body: answer?.chunks ?? empty }))
    }
    const attempt = (): void => {
      const cargo: Cargo = {
        method,
        url: isMistakable(path) ? '/' : path,
        headers: requestHeaders(request.headers),
        target,
        on: nothing,
        socket: connected,
        pipe: (made) => {
          out = made
          if (isOver) {
            made.destroy()
            return
          }
          // such as an upgrade that nobody asked for: no answer, and no error
          made.on('close', () => {
            if (out === made && !isAnswered) fail(badGateway('closed the connection before it answered'))
          })
          send(made)
        },
        onAnswer,
        onError: (cause) => {
          if (isOver) return
          if (mayRetry && out?.reusedSocket === true && isReset(cause)) {
            mayRetry = false
            out = undefined
            // the one that was used last is dead: so are those that wait longer
            closeIdle()
            attempt()
            return
          }
          fail(isAnswered ? badGateway('broke off its answer', cause) : toFailure(cause))
        },
      }
      carry(cargo)
    }

    if (signal.aborted) {
      fail({ _tag: 'Cancelled' })
      return
    }
    signal.addEventListener('abort', onAbort)
    if (timeoutMs > 0) {
      timer = setTimeout(() => {
        fail(gatewayTimeout('answer', timeoutMs))
      }, timeoutMs)
    }
    attempt()
  })
