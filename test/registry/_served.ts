import { createServer } from 'node:http'

import type { ExecutionContext } from 'ava'

import type { Clock } from '../../src/clock.ts'
import { dispatch, requestHeaders } from '../../src/dispatch.ts'
import { door, type Door } from '../../src/express/handler.ts'
import { applyLayers, layers, responseHeaders } from '../../src/layers/index.ts'
import type { ObjectStore } from '../../src/object-store.ts'
import { readRoutes } from '../../src/registry/read-routes.ts'
import { match } from '../../src/routing/match.ts'
import { ownTable } from '../../src/routing/table.ts'
import { observeAll } from '../../src/telemetry.ts'
import { listen } from '../_setup/aggregator.ts'
import { envOf, surroundings } from '../telemetry/requests.ts'
import { base } from './_reads.ts'

export interface Served {
  readonly url: string
  readonly drain: Door['drain']
}

/** The routes behind the real door and all layers, on a real socket. */
export const serve = async (
  t: ExecutionContext,
  objects: ObjectStore,
  { clock, stallMs = 5000 }: { readonly clock?: Clock; readonly stallMs?: number } = {},
): Promise<Served> => {
  const table = ownTable('registry', readRoutes(objects, clock))
  const handle = applyLayers(
    layers({
      observe: observeAll([]),
      authorize: undefined,
      inFlight: { reads: 100, writes: 100, longRunning: 100 },
      deadlines: { requestTimeoutMs: 60_000, longRunningTimeoutMs: 3_600_000 },
      headers: { request: requestHeaders, response: responseHeaders },
    }),
  )
  const { plugins, contexts, userAgent } = envOf()
  const { handler, drain } = door({
    match: (method, url) => match(table, method, url),
    serve: dispatch({ ...surroundings, plugins, contexts, userAgent, handle, requestTimeoutMs: 60_000 }),
    bodyLimitBytes: 1000,
    stallMs,
  })
  const url = await listen(
    t,
    createServer((request, response) => {
      handler(request, response, () => response.writeHead(404).end())
    }),
  )
  t.teardown(() => drain(0))
  return { url: url + base, drain }
}
