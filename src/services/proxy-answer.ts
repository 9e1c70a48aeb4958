import type { AggregatorError, Result } from '../errors.ts'
import type { ForwardAnswer, ForwardRequest } from '../forward.ts'
import { E } from '../fp.ts'
import { stream, type HttpAnswer } from '../http.ts'
import type { CallEnv } from '../service.ts'
import { ownHeaders } from './proxy-headers.ts'

/** The answer to one request that was sent on. */
export interface Reply {
  readonly answer: ForwardAnswer
  /** Nobody wants the body: its connection is closed. */
  readonly release: () => void
}

/** Sends a request on, for as long as the client waits and nobody has released the reply. */
export const sendOn =
  (request: ForwardRequest, { forward, signal }: Pick<CallEnv, 'forward' | 'signal'>): Result<Reply> =>
  async () => {
    const own = new AbortController()
    const sent = await forward(request, { signal: AbortSignal.any([signal, own.signal]) })()
    const release = (): void => {
      own.abort()
    }
    return E.map((answer: ForwardAnswer): Reply => ({ answer, release }))(sent)
  }

const bad = (message: string): AggregatorError => ({ _tag: 'BadGateway', message })

/**
 * A reply as the client may have it: its scripts do not run on our origin, it sets no cookie there, and it leads nowhere that
 * `ownLocation` does not lead to (`undefined`: elsewhere). Fails with BadGateway, the reply released. Source: proxyutil of Grafana.
 */
export const toAnswer = (
  { answer: { status, headers, body }, release }: Reply,
  ownLocation: (location: string) => string | undefined,
): E.Either<AggregatorError, HttpAnswer> => {
  const { location } = headers
  const own = typeof location === 'string' ? ownLocation(location) : undefined
  const isRedirect = status >= 300 && status <= 399 && status !== 304
  if (status < 200 || status > 599 || (isRedirect && location !== undefined && own === undefined)) {
    release()
    return E.left(
      bad(
        isRedirect
          ? `what stands behind this path answered ${String(status)} with a location that is not below it`
          : `what stands behind this path answered with status ${String(status)}`,
      ),
    )
  }
  const { location: _, ...crossing } = headers
  // of two, readers differ in which one they take
  const [contentType] = [headers['content-type']].flat()
  const ours = { 'content-type': contentType, location: own, 'content-security-policy': 'sandbox' }
  return E.right(stream(status, ownHeaders(crossing, ours), body))
}
