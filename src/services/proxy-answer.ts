import type { AggregatorError, Result } from '../errors.ts'
import type { ForwardAnswer, ForwardRequest } from '../forward.ts'
import { E, TE } from '../fp.ts'
import { stream, type HeaderMap, type HttpAnswer } from '../http.ts'
import type { CallEnv } from '../service.ts'
import { ownHeaders } from './proxy-headers.ts'
import { decodeDeeply } from './proxy-target.ts'

/** The answer to one request that was sent on. */
export interface Reply {
  readonly answer: ForwardAnswer
  /** Nobody wants the body: its connection is closed. */
  readonly release: () => void
}

/** Sends a request on, for as long as the client waits and nobody has released the reply. */
export const sendOn = (
  request: ForwardRequest,
  { forward, signal }: Pick<CallEnv, 'forward' | 'signal'>,
): Result<Reply> =>
  TE.map((answer: ForwardAnswer): Reply => ({
    answer,
    release: () => {
      void answer.body[Symbol.asyncIterator]().return?.()
    },
  }))(forward(request, { signal }))

/** What of an answer a client may be told. */
export interface Telling {
  /** `undefined`: it leads elsewhere. */
  readonly ownLocation: (location: string) => string | undefined
  /** No header with one of these crosses: servers echo the URL that they were asked for in Location and Link. */
  readonly secrets: ReadonlyArray<string>
}

const holdsAny = (secrets: ReadonlyArray<string>, text: string): boolean => {
  const decoded = text.includes('%') ? decodeDeeply(text) : text
  return secrets.some((secret) => text.includes(secret) || decoded.includes(secret))
}

const withoutSecrets = (headers: HeaderMap, secrets: ReadonlyArray<string>): HeaderMap =>
  secrets.length === 0
    ? headers
    : Object.fromEntries(Object.entries(headers).filter(([, value]) => !holdsAny(secrets, String(value))))

const isRedirect = (status: number): boolean => status >= 300 && status <= 399 && status !== 304

/**
 * A reply as the client may have it: its scripts do not run on our origin, it sets no cookie there, it leads nowhere else, and no
 * header tells a secret. Fails with BadGateway, the reply released. Source: proxyutil of Grafana.
 */
export const toAnswer = (
  { answer: { status, headers, body }, release }: Reply,
  { ownLocation, secrets }: Telling,
): E.Either<AggregatorError, HttpAnswer> => {
  const fail = (what: string): E.Either<AggregatorError, never> => {
    release()
    return E.left({ _tag: 'BadGateway', message: `what stands behind this path answered ${what}` })
  }
  if (status < 200 || status > 599) return fail(`with status ${String(status)}`)
  const { location: given, ...crossing } = headers
  const own = typeof given === 'string' ? ownLocation(given) : undefined
  const isTold = own !== undefined && !holdsAny(secrets, own)
  if (isRedirect(status) && given !== undefined && !isTold) {
    return fail(`${String(status)} with a location that ${own === undefined ? 'is not below it' : 'tells a secret'}`)
  }
  // of two, readers differ in which one they take
  const [contentType] = [headers['content-type']].flat()
  const ours = {
    'content-type': contentType,
    location: isTold ? own : undefined,
    'content-security-policy': 'sandbox',
  }
  return E.right(stream(status, ownHeaders(withoutSecrets(crossing, secrets), ours), body))
}
