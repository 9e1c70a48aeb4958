import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'

import type { Clock } from '../clock.ts'
import { E } from '../fp.ts'
import type { KubernetesCall, KubernetesConnection, KubernetesFailure } from '../kubernetes.ts'
import { cancelled, cutMessage, cutReason, unreachable } from './failure.ts'
import { createLeash, leashTo, type Leash } from './leash.ts'
import type { Opened, Transport } from './transport.ts'

/** No answer should be larger. */
export const answerLimitBytes = 64 * 1024 * 1024

/** Source: maxRetries of client-go's rest.Request. */
const maxRepeats = 10

const defaultTimeoutMs = 30_000

const garbled = (got: string): KubernetesFailure => ({
  _tag: 'Garbled',
  message: `expected JSON of the apiserver, got ${got}`,
})

const tooLarge = garbled(`more than ${String(answerLimitBytes)} bytes`)

/** The whole body of an answer. Fails with Garbled when it is too large, with Unreachable when it breaks off. Never rejects. */
export const readBody = async (
  { headers, body }: Pick<Opened, 'headers'> & { readonly body: Readable },
  limitBytes: number = answerLimitBytes,
): Promise<E.Either<KubernetesFailure, Buffer>> => {
  if (Number(headers['content-length']) > limitBytes) {
    body.destroy()
    return E.left(tooLarge)
  }
  const chunks: Buffer[] = []
  let length = 0
  return new Promise((resolve) => {
    body
      .on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > limitBytes) {
          resolve(E.left(tooLarge))
          body.destroy()
        } else chunks.push(chunk)
      })
      .once('end', () => {
        resolve(E.right(Buffer.concat(chunks, length)))
      })
      .on('error', () => undefined)
      // after `end`, or instead of it
      .once('close', () => {
        resolve(E.left(unreachable('the apiserver broke off its answer')))
      })
    if (body.closed) resolve(E.left(unreachable('the apiserver broke off its answer')))
  })
}

const parse = (bytes: Buffer): E.Either<KubernetesFailure, unknown> => {
  if (bytes.length === 0) return E.left(garbled('nothing'))
  return E.tryCatch(
    (): unknown => JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)),
    () => garbled('something else'),
  )
}

const fieldOf = (value: unknown, field: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, field) : undefined

const textAt = (value: unknown, field: string): string => {
  const text = fieldOf(value, field)
  return typeof text === 'string' ? text : ''
}

/** RFC 9110, 10.2.3: seconds or a date. */
const toRetryAfterMs = (header: string | undefined, seconds: unknown, nowMs: number): number | undefined => {
  if (header !== undefined && /^\d{1,9}$/.test(header)) return Number(header) * 1000
  const date = header === undefined ? NaN : Date.parse(header)
  if (!Number.isNaN(date)) return Math.max(0, date - nowMs)
  return typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : undefined
}

const statusOf = (text: string): unknown => {
  try {
    const value: unknown = JSON.parse(text)
    return fieldOf(value, 'kind') === 'Status' ? value : undefined
  } catch {
    return undefined
  }
}

/** What an answer that is none of 2xx says. `text` is its body; of one that is no Status only the code counts. Pure. */
export const toFailure = (
  status: number,
  headers: IncomingHttpHeaders,
  text: string,
  nowMs: number = Date.now(),
): KubernetesFailure => {
  const said = statusOf(text)
  const retryAfterMs = toRetryAfterMs(
    headers['retry-after'],
    fieldOf(fieldOf(said, 'details'), 'retryAfterSeconds'),
    nowMs,
  )
  return {
    _tag: 'Refused',
    code: status,
    reason: cutReason(textAt(said, 'reason')),
    message: cutMessage(textAt(said, 'message')) || `the apiserver answered ${String(status)}`,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300

/** Source: client-go, which repeats whatever it was that it asked, as the server did not begin with it. */
const waitBefore = (failure: KubernetesFailure): number | undefined =>
  failure._tag === 'Refused' && (failure.code === 429 || failure.code >= 500) ? failure.retryAfterMs : undefined

/** `false`: the body cannot be written. */
const toJson = (body: unknown): string | undefined | false => {
  try {
    return body === undefined ? undefined : JSON.stringify(body)
  } catch {
    return false
  }
}

/** Requests with whole answers over a transport, which outlives them. */
export const createCall = (transport: Transport, clock: Clock): KubernetesConnection['call'] => {
  const wait = (ms: number): { readonly over: Promise<E.Either<never, undefined>>; readonly stop: () => void } => {
    let stop = (): void => undefined
    const over = new Promise<E.Either<never, undefined>>((resolve) => {
      stop = clock.setTimeout(() => {
        resolve(E.right(undefined))
      }, ms)
    })
    return { over, stop }
  }

  const ask = async (
    { method, path, query, contentType }: KubernetesCall,
    body: string | undefined,
    leftMs: number,
    signal: AbortSignal,
  ): Promise<E.Either<KubernetesFailure, unknown>> => {
    const opened = await transport.open({
      method,
      path,
      signal,
      headersTimeoutMs: leftMs,
      ...(query === undefined ? {} : { query: new URLSearchParams(query) }),
      ...(body === undefined ? {} : { body }),
      ...(contentType === undefined ? {} : { contentType }),
    })()
    if (E.isLeft(opened)) return opened
    const { status, headers } = opened.right
    const bytes = await readBody(opened.right)
    if (isSuccess(status)) return E.flatMap(parse)(bytes)
    // that it refused is known, whether or not it could say why
    return E.left(toFailure(status, headers, E.isRight(bytes) ? bytes.right.toString() : '', clock.now()))
  }

  const askUntil = async (call: KubernetesCall, endMs: number, leash: Leash, signal: AbortSignal) => {
    const body = toJson(call.body)
    if (body === false) return E.left(unreachable('the body of the request is no JSON'))
    for (let repeats = 0; ; repeats++) {
      const answer = await ask(call, body, Math.max(1, endMs - clock.now()), signal)
      if (E.isRight(answer)) return answer
      const waitMs = waitBefore(answer.left)
      // a wait that ends too late is for nothing
      if (waitMs === undefined || repeats === maxRepeats || clock.now() + waitMs >= endMs) return answer
      const { over, stop } = wait(waitMs)
      const waited = await leash.race(over)
      stop()
      if (E.isLeft(waited)) return waited
    }
  }

  return (call) => async () => {
    const { timeoutMs = defaultTimeoutMs } = call
    const leash = createLeash()
    const controller = new AbortController()
    const unleash = call.signal === undefined ? () => undefined : leashTo(leash, call.signal, cancelled)
    const stop = clock.setTimeout(() => {
      leash.pull(unreachable(`the apiserver did not answer within ${String(timeoutMs)} ms`))
    }, timeoutMs)
    leash.onPull(() => {
      controller.abort()
    })
    const answer = await askUntil(call, clock.now() + timeoutMs, leash, controller.signal)
    stop()
    unleash()
    // what was aborted tells of the abortion only
    return E.mapLeft((failure: KubernetesFailure) => leash.why() ?? failure)(answer)
  }
}
