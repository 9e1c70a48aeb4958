import { ownService } from '../../src/api/dataplane-service.ts'
import type { StoredObject } from '../../src/api/object.ts'
import { E, TE } from '../../src/fp.ts'
import { failure, type HttpAnswer, type HttpRequest } from '../../src/http.ts'
import { silentLogger } from '../../src/logger.ts'
import type { ObjectStore, StoreEvent } from '../../src/object-store.ts'
import { registryRoutes } from '../../src/registry/index.ts'
import type { CallEnv } from '../../src/service.ts'
import { match } from '../../src/routing/match.ts'
import { ownTable } from '../../src/routing/table.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'
import { base, createObjects } from './_reads.ts'

export type Fields = Readonly<Record<string, unknown>>

export const header = { apiVersion: 'aggregation.grafana.app/v0alpha1', kind: 'DataPlaneService' }

export const spec = {
  pluginID: 'testdata',
  pluginType: 'datasource',
  group: 'testdata.example.com',
  version: 'v1',
  services: [{ type: 'query' }],
}

/** As it comes out of the store. */
export const storedSpec = { ...spec, services: [{ type: 'query', method: '', path: '' }] }

export const object = (metadata: Fields = { name: 'a' }, rest: Fields = {}): Fields => ({
  ...header,
  metadata,
  spec,
  ...rest,
})

export interface Cause {
  readonly reason: string
  readonly field: string
  readonly message: string
}

/** What an answer says: an object, a list, or a Status. */
export interface Answer {
  readonly kind: string
  readonly metadata: StoredObject['metadata']
  readonly spec?: Fields
  readonly status?: unknown
  readonly message?: string
  readonly reason?: string
  readonly details?: {
    readonly name?: string
    readonly group?: string
    readonly kind?: string
    readonly uid?: string
    readonly causes?: ReadonlyArray<Cause>
    readonly retryAfterSeconds?: number
  }
  readonly code?: number
  readonly items?: ReadonlyArray<StoredObject>
}

export interface Told {
  readonly status: number
  readonly body: Answer
  readonly warnings: ReadonlyArray<string>
}

export interface More {
  readonly headers?: HttpRequest['headers']
  readonly type?: string
  readonly signal?: AbortSignal
  readonly mayCreate?: CallEnv['mayCreate']
}

const bytesOf = (body: unknown): Uint8Array => {
  if (body === undefined) return new Uint8Array()
  if (body instanceof Uint8Array) return body
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
}

const textOf = (answer: HttpAnswer): string => {
  if (answer._tag === 'Stream') throw new Error('expected no stream')
  return answer._tag === 'Json' ? JSON.stringify(answer.value) : Buffer.concat([...answer.chunks]).toString()
}

const warningsOf = ({ headers: { warning } }: HttpAnswer): ReadonlyArray<string> =>
  warning === undefined || typeof warning === 'string' ? [] : warning

export type Send = (method: string, pathAndQuery: string, body?: unknown, more?: More) => Promise<Told>

/** 2026-11-23T00:51:00Z, and half a second. */
export const nowMs = Date.UTC(2026, 10, 23, 0, 51, 0, 500)
export const nowText = '2026-11-23T00:51:00Z'

/** Sends requests to the routes; `pathAndQuery` is what stands behind the collection. */
export const sender = (objects: ObjectStore, isReadOnly = false): Send => {
  const table = ownTable('registry', registryRoutes({ objects, isReadOnly, logger: silentLogger, now: () => nowMs }))
  return async (method, pathAndQuery, body, { headers = {}, type = 'application/json', signal, mayCreate } = {}) => {
    const matched = match(table, method, base + pathAndQuery)
    if (matched?._tag !== 'Claimed') throw new Error(`nobody claims ${method} ${pathAndQuery}`)
    const { claim, path, query, params } = matched
    const request = requestOf({
      method,
      path,
      query,
      params,
      receivedAtMs: nowMs,
      headers: { 'user-agent': 'kubectl/v1.36.4 (linux/amd64)', 'content-type': type, ...headers },
      readBytes: TE.right(bytesOf(body)),
    })
    const env: CallEnv = {
      ...envOf(),
      service: ownService,
      route: claim.route,
      ...(signal === undefined ? {} : { signal }),
      ...(mayCreate === undefined ? {} : { mayCreate }),
    }
    const outcome = await claim.route.handle(request, env)()
    const answer = E.isLeft(outcome) ? failure(outcome.left) : outcome.right
    return { status: answer.status, body: JSON.parse(textOf(answer)) as Answer, warnings: warningsOf(answer) }
  }
}

export interface World {
  readonly objects: ObjectStore
  readonly send: Send
  /** So far. Shape: `ADDED a`. */
  readonly events: () => ReadonlyArray<string>
}

/** An empty store, and what goes on in it. */
export const createWorld = (objects: ObjectStore = createObjects()): World => {
  const seen: StoreEvent[] = []
  objects.subscribe((event) => seen.push(event))
  return {
    objects,
    send: sender(objects),
    events: () => seen.map((event) => `${event.type} ${event.object.metadata.name}`),
  }
}

/** A store that takes its time over each change, as one on a disk does. */
export const slowly = (objects: ObjectStore): ObjectStore => ({
  ...objects,
  commit:
    (...args) =>
    async () => {
      await new Promise((resolve) => setImmediate(resolve))
      return objects.commit(...args)()
    },
})

export const merge = { type: 'application/merge-patch+json' }
export const apply = { type: 'application/apply-patch+yaml' }

export const fieldsOf = ({ body }: Told): ReadonlyArray<string> =>
  (body.details?.causes ?? []).map(({ reason, field }) => `${reason} ${field}`)
