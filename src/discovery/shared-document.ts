import { createHash } from 'node:crypto'

import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import { bytes, type HeaderMap, type HttpAnswer, type HttpRequest, type NextAnswer } from '../http.ts'
import type { Logger } from '../logger.ts'
import type { Handle } from '../service.ts'

/** What a document is made of when the next handler has said its part. */
export interface Plan {
  /** Accept header for the next handler. */
  readonly accept: string
  readonly contentType: string
  /**
   * The whole document; `undefined`: ours alone. Throws nothing but what JSON.stringify throws at an object that is too deep for it: then
   * ours goes out alone.
   */
  readonly compose: (theirs: NextAnswer | undefined) => Composed
  /** What the document is made of beside their answer, and which of those it is: it is made once for the same. */
  readonly memo?: { readonly of: object; readonly name: string }
  /** Where the client is to ask instead, when they say so. */
  readonly redirect?: string
}

export interface Composed {
  readonly body: Uint8Array
  /** Where their answer decides it. */
  readonly contentType?: string
  readonly cacheControl?: string
}

/** Fails with what is to be answered by the next handler alone. */
export type PlanFor = (request: HttpRequest) => E.Either<AggregatorError, Plan>

/** Time for the next handler, ms. Source: the timeout of kube-aggregator for discovery. */
const askTimeoutMs = 5000

/** Nothing that would make of their answer a part, a reference to an older one, or one that must be unpacked. */
const whole: HeaderMap = {
  'accept-encoding': undefined,
  'if-match': undefined,
  'if-modified-since': undefined,
  'if-none-match': undefined,
  'if-range': undefined,
  'if-unmodified-since': undefined,
  range: undefined,
}

const digest = (body: Uint8Array): string => createHash('sha512').update(body).digest('hex').toUpperCase()

/** RFC 9110, 13.1.2: whatever a proxy made weaker on its way means the same. */
const isKnown = (given: HeaderMap[string], etag: string): boolean =>
  (typeof given === 'string' ? given : (given ?? []).join(','))
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''))
    .some((tag) => tag === etag || tag === '*')

interface Finished extends Composed {
  readonly etag: string
}

const finish = (composed: Composed): Finished => ({ ...composed, etag: `"${digest(composed.body)}"` })

const composeSafely = ({ compose }: Plan, theirs: NextAnswer | undefined): Finished => {
  const composed = E.tryCatch(() => compose(theirs), E.toError)
  return finish(E.isRight(composed) ? composed.right : compose(undefined))
}

const toAnswer = ({ contentType }: Plan, request: HttpRequest, finished: Finished): HttpAnswer => {
  const { etag, cacheControl } = finished
  const headers = { etag, vary: 'Accept', ...(cacheControl === undefined ? {} : { 'cache-control': cacheControl }) }
  return isKnown(request.headers['if-none-match'], etag)
    ? bytes(304, headers, [])
    : bytes(200, { ...headers, 'content-type': finished.contentType ?? contentType }, [finished.body])
}

interface Kept {
  readonly key: string
  readonly finished: Finished
}

/** The last of each name is kept, as long as somebody holds what it was made of. */
const createMemo = (): ((plan: Plan, theirs: NextAnswer | undefined) => Finished) => {
  const all = new WeakMap<object, Map<string, Kept>>()
  return (plan, theirs) => {
    if (plan.memo === undefined) return composeSafely(plan, theirs)
    const { of, name } = plan.memo
    const kept = all.get(of) ?? new Map<string, Kept>()
    all.set(of, kept)
    const key = theirs === undefined ? '' : `${String(theirs.status)} ${digest(theirs.body)}`
    const last = kept.get(name)
    if (last?.key === key) return last.finished
    const finished = composeSafely(plan, theirs)
    kept.set(name, { key, finished })
    return finished
  }
}

/**
 * Makes handles of documents that we and the next handler tell together. Whatever becomes of the next handler, ours goes out: clients that
 * cannot read these documents can do nothing at all. No plugin is asked.
 */
export const createSharedDocuments = (logger: Logger): ((planFor: PlanFor) => Handle) => {
  const compose = createMemo()
  return (planFor) => (request, env) => async () => {
    const plan = planFor(request)
    if (E.isLeft(plan)) return plan
    const { accept, redirect } = plan.right
    const { askNext, path } = request
    // in time for our own part
    const timeoutMs = Math.min(askTimeoutMs, Math.ceil(env.timeoutMs / 2))
    const theirs = await askNext?.({ ...whole, accept }, timeoutMs)
    if (askNext !== undefined && (theirs === undefined || theirs.status >= 500)) {
      logger.warn('next handler gives no document, ours is sent alone', { path, code: theirs?.status })
    }
    if (redirect !== undefined && theirs !== undefined && theirs.status > 300 && theirs.status < 304) {
      return E.right(bytes(302, { location: redirect, vary: 'Accept' }, []))
    }
    return E.right(toAnswer(plan.right, request, compose(plan.right, theirs)))
  }
}
