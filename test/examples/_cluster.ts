import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

import type { ExecutionContext } from 'ava'
import express, { type Request, type RequestHandler } from 'express'

import { dataPlaneAggregator, inProcess, memorySource, staticContexts } from '../../src/index.ts'

interface ClusterObject {
  readonly metadata: { readonly name: string; readonly [field: string]: unknown }
  readonly [field: string]: unknown
}

export interface Cluster {
  readonly url: string
  /** All requests so far. Shape: `['GET', '/api/v1/namespaces/default/secrets?watch=true']`. */
  readonly asked: ReadonlyArray<readonly [method: string, url: string]>
  /** Resolves once a request like this is answered. */
  readonly answered: (method: string, path: RegExp) => Promise<void>
  /** As they were written last. */
  readonly leases: ReadonlyMap<string, ClusterObject>
}

interface ClusterOptions {
  readonly services: ReadonlyArray<unknown>
  /** Whole collections that never change, by path. */
  readonly collections: Readonly<Record<string, ReadonlyArray<ClusterObject>>>
}

const failure = (code: number, reason: string) => ({
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  reason,
  code,
})

const resourceVersion = '100'

/** As those before 1.32, so that lists are asked for. */
const refuseWatchList: RequestHandler = ({ query }, response, next) => {
  if (query['sendInitialEvents'] === undefined) next()
  else response.status(422).json(failure(422, 'Invalid'))
}

const serveCollections =
  (collections: ClusterOptions['collections']): RequestHandler =>
  ({ path, query }, response, next) => {
    const items = collections[path]?.map((object) => ({
      ...object,
      metadata: { uid: object.metadata.name, resourceVersion, ...object.metadata },
    }))
    if (items === undefined) next()
    else if (query['watch'] === undefined) response.json({ kind: 'List', metadata: { resourceVersion }, items })
    else response.type('json').flushHeaders()
  }

const serveLeases = (leases: Map<string, ClusterObject>): RequestHandler => {
  let version = 0
  return async (request, response, next) => {
    const { method, path } = request
    if (!path.startsWith('/apis/coordination.k8s.io/')) return next()
    if (method === 'GET') {
      const found = leases.get(path)
      return void response.status(found === undefined ? 404 : 200).json(found ?? failure(404, 'NotFound'))
    }
    const given = (await json(request)) as ClusterObject
    version += 1
    const kept = { ...given, metadata: { uid: 'lease', ...given.metadata, resourceVersion: String(version) } }
    leases.set(method === 'POST' ? `${path}/${given.metadata.name}` : path, kept)
    response.status(method === 'POST' ? 201 : 200).json(kept)
  }
}

/**
 * Stands for kube-apiserver: our own registry serves the DataPlaneServices, Leases are kept as they are written, other collections are
 * fixed. It allows everything, and tells what it was asked.
 */
export const startCluster = async (
  t: Pick<ExecutionContext, 'teardown'>,
  { services, collections }: ClusterOptions,
): Promise<Cluster> => {
  const registry = dataPlaneAggregator({
    source: memorySource(services),
    plugins: inProcess({}),
    contexts: staticContexts({}),
  })
  const asked: Array<readonly [string, string]> = []
  const answers = new Set<string>()
  const waiting = new Set<() => void>()
  const leases = new Map<string, ClusterObject>()
  const note: RequestHandler = ({ method, originalUrl }: Request, response, next) => {
    asked.push([method, originalUrl])
    response.on('finish', () => {
      answers.add(`${method} ${originalUrl}`)
      for (const look of waiting) look()
    })
    next()
  }
  const app = express().use(note, refuseWatchList, registry, serveLeases(leases), serveCollections(collections))
  const server = createServer(app).listen(0, '127.0.0.1')
  t.teardown(async () => {
    server.close()
    server.closeAllConnections()
    await registry.close()
  })
  await Promise.all([once(server, 'listening'), registry.ready])
  const answered = (method: string, path: RegExp): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (![...answers].some((answer) => answer.startsWith(`${method} `) && path.test(answer))) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  return { url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, asked, answered, leases }
}
