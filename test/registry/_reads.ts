import { apiVersion, kind } from '../../src/api/dataplane-service.ts'
import type { StoredObject } from '../../src/api/object.ts'
import type { Clock } from '../../src/clock.ts'
import { failure, type HttpAnswer, type HttpRequest, type StreamAnswer } from '../../src/http.ts'
import { E, TE } from '../../src/fp.ts'
import type { ObjectStore } from '../../src/object-store.ts'
import { readRoutes } from '../../src/registry/read-routes.ts'
import { match } from '../../src/routing/match.ts'
import { ownTable } from '../../src/routing/table.ts'
import type { CallEnv } from '../../src/service.ts'
import { createStore, type StoreOptions } from '../../src/sources/store.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'

export const base = '/apis/aggregation.grafana.app/v0alpha1/dataplaneservices'

export type Labels = Readonly<Record<string, string>>

/** Objects to be changed in one line. Its revisions begin at 1. */
export interface Objects extends ObjectStore {
  readonly put: (name: string, labels?: Labels, rest?: Partial<StoredObject>) => StoredObject
  readonly remove: (name: string) => StoredObject
}

export const createObjects = (options: StoreOptions = {}): Objects => {
  const { swap, ...store } = createStore({ now: () => 0, ...options })
  const done = (outcome: ReturnType<typeof swap>): StoredObject => {
    if (E.isLeft(outcome)) throw new Error(outcome.left._tag)
    return outcome.right
  }
  return {
    ...store,
    ready: Promise.resolve(),
    commit: (...args) => TE.fromEither(swap(...args)),
    put: (name, labels, rest) => {
      const metadata = { name, ...(labels === undefined ? {} : { labels }) }
      return done(swap(name, store.get(name), { apiVersion, kind, metadata, ...rest }))
    },
    remove: (name) => done(swap(name, store.get(name), undefined)),
  }
}

export interface Asked {
  readonly method?: string
  readonly headers?: HttpRequest['headers']
  readonly clock?: Clock
  readonly random?: () => number
  readonly env?: Partial<CallEnv>
  readonly nowMs?: number
}

type Run = (pathAndQuery: string, asked?: Omit<Asked, 'clock' | 'random'>) => Promise<HttpAnswer>

/** Runs requests against the same routes; `pathAndQuery` is what stands behind `base`. */
export const runner = (objects: ObjectStore, clock?: Clock, random?: () => number): Run => {
  const table = ownTable('registry', readRoutes(objects, clock, random))
  return async (pathAndQuery, { method = 'GET', headers = {}, env = {}, nowMs = 0 } = {}) => {
    const matched = match(table, method, base + pathAndQuery)
    if (matched?._tag !== 'Claimed') throw new Error(`nobody claims ${pathAndQuery}`)
    const { claim, path, query, params } = matched
    const { route, type, service } = claim
    const request = requestOf({ method, path, query, params, headers, receivedAtMs: nowMs })
    const outcome = await route.handle(request, { ...envOf(), service, type, route, timeoutMs: 7_200_000, ...env })()
    return E.isLeft(outcome) ? failure(outcome.left) : outcome.right
  }
}

export interface Read {
  readonly status: number
  readonly contentType: unknown
  readonly text: string
}

export const read = (answer: HttpAnswer): Read => {
  if (answer._tag === 'Stream') throw new Error('expected no stream')
  const { status } = answer
  if (answer._tag === 'Json') return { status, contentType: 'application/json', text: JSON.stringify(answer.value) }
  return { status, contentType: answer.headers['content-type'], text: Buffer.concat([...answer.chunks]).toString() }
}

/** An answer as the tests look into it: an object, a list, a table, a status, or a line of a watch. */
export interface Body {
  readonly type?: string
  readonly object?: Body
  readonly kind?: string
  readonly apiVersion?: string
  readonly metadata?: {
    readonly name?: string
    readonly resourceVersion?: string
    readonly labels?: Labels
    readonly annotations?: Labels
    readonly continue?: string
    readonly remainingItemCount?: number
  }
  readonly items?: ReadonlyArray<Body>
  readonly columnDefinitions?: ReadonlyArray<Readonly<Record<string, unknown>>>
  readonly rows?: ReadonlyArray<{ readonly cells: ReadonlyArray<string>; readonly object: Body | null }>
  readonly code?: number
  readonly reason?: string
  readonly message?: string
  readonly details?: unknown
}

export const parse = (text: string): Body => JSON.parse(text) as Body

/** A status and the body that goes with it. */
export const ask = async (
  objects: ObjectStore,
  pathAndQuery: string,
  { clock, random, ...asked }: Asked = {},
): Promise<{ readonly status: number; readonly body: Body }> => {
  const { status, text } = read(await runner(objects, clock, random)(pathAndQuery, asked))
  return { status, body: parse(text) }
}

/** A watch under way. */
export interface Watching {
  readonly answer: StreamAnswer
  /** The next line; `undefined`: it is over. */
  readonly next: () => Promise<Body | undefined>
  readonly nextBytes: () => Promise<Uint8Array | undefined>
  /** The next lines, in short: `ADDED a@3`. */
  readonly take: (count: number) => Promise<ReadonlyArray<string>>
  readonly leave: () => Promise<unknown>
}

export const brief = ({ type = '', object = {} }: Body): string => {
  if (type === 'ERROR') return `ERROR ${String(object.code)}`
  const { name, resourceVersion } = (object.kind === 'Table' ? object.rows?.[0]?.object : object)?.metadata ?? {}
  return `${type}${name === undefined ? '' : ` ${name}`}@${resourceVersion ?? ''}`
}

export const watching = (answer: HttpAnswer): Watching => {
  if (answer._tag !== 'Stream') throw new Error(`expected a stream, got ${read(answer).text}`)
  const iterator = answer.chunks[Symbol.asyncIterator]()
  const nextBytes = async (): Promise<Uint8Array | undefined> => {
    const step = await iterator.next()
    if (step.done === true) return undefined
    if (E.isLeft(step.value)) throw new Error(step.value.left._tag)
    return step.value.right
  }
  const next = async (): Promise<Body | undefined> => {
    const bytes = await nextBytes()
    return bytes && parse(Buffer.from(bytes).toString())
  }
  const take = async (count: number): Promise<ReadonlyArray<string>> => {
    const lines: string[] = []
    while (lines.length < count) {
      const line = await next()
      lines.push(line === undefined ? 'end' : brief(line))
    }
    return lines
  }
  return { answer, next, nextBytes, take, leave: async () => iterator.return?.() }
}
