import test from 'ava'

import { dispatch } from '../src/dispatch.ts'
import type { AggregatorError } from '../src/errors.ts'
import { E } from '../src/fp.ts'
import type { Arrival, HttpRequest } from '../src/http.ts'
import { match } from '../src/routing/match.ts'
import type { CallEnv, Handle } from '../src/service.ts'
import { service } from './api/manifests.ts'
import { base, tableOf } from './routing/tables.ts'
import { envOf, requestOf, surroundings } from './telemetry/requests.ts'

const table = tableOf(service([{ type: 'stream' }, { type: 'query' }, { type: 'health' }]))
const datasource = `${base}/namespaces/default/datasources/p1`

/** What the layers are given of a request, and what comes of it behind them. */
const dispatched = async (method: string, path: string, given: Partial<Arrival> = {}, refusal?: AggregatorError) => {
  const matched = match(table, method, path)
  if (matched === undefined) throw new Error(`nobody claims ${method} ${path}`)
  const seen: { request: HttpRequest; env: CallEnv }[] = []
  const handle: Handle = (request, env) => {
    seen.push({ request, env })
    return env.route.handle(request, env)
  }
  const { plugins, contexts, userAgent } = envOf()
  const run = dispatch({ ...surroundings, plugins, contexts, userAgent, handle, requestTimeoutMs: 1000 })
  const outcome = await run(matched, requestOf({ method, ...given }), new AbortController().signal, refusal)()
  const [first] = seen
  if (first === undefined || seen.length > 1) throw new Error('expected one call of the layers')
  return { ...first, error: E.isLeft(outcome) ? outcome.left : undefined, claim: matched.claim }
}

test('hands the layers what was matched', async (t) => {
  const { request, env, claim } = await dispatched('GET', `${datasource}/stream/a/%62?x=1`)
  t.like(request, { path: `${datasource}/stream/a/%62`, tail: 'a/%62', query: 'x=1' })
  t.deepEqual({ ...request.params }, { namespace: 'default', uid: 'p1' })
  t.is(env.route, claim.route)
  t.is(env.type, 'stream')
  t.true(env.route.isLongRunning?.(request))
})

const closing: AggregatorError = { _tag: 'PluginUnavailable', message: 'closing', retryAfterSeconds: 1 }
const refused: ReadonlyArray<
  readonly [what: string, asked: Parameters<typeof dispatched>, tag: AggregatorError['_tag']]
> = [
  ['another method', ['PUT', `${datasource}/stream/a`], 'MethodNotAllowed'],
  ['an ambiguous path', ['GET', `${datasource}/stream/a/../b?x=1`], 'BadRequest'],
  ['a WebSocket where there is none', ['GET', `${datasource}/health`, { upgrade: 'websocket' }], 'BadRequest'],
  ['whatever comes while the server closes', ['GET', `${datasource}/stream/a`, {}, closing], 'PluginUnavailable'],
]
for (const [what, asked, tag] of refused) {
  test(`takes the refusal of ${what} through the layers, as the short request that it is`, async (t) => {
    const { request, env, error } = await dispatched(...asked)
    t.is(error?._tag, tag)
    t.not(env.route.isLongRunning?.(request), true)
  })
}

test('asks for a WebSocket where a route takes one', async (t) => {
  const { env, claim } = await dispatched('GET', `${datasource}/stream/a`, { upgrade: 'websocket' })
  t.is(env.route, claim.route)
})

test('gives a refused path no parameters: nobody has read them', async (t) => {
  const { request } = await dispatched('GET', `${datasource}/stream/a/../b?x=1`)
  t.deepEqual([request.params, request.tail, request.query], [{}, '', ''])
})

test('grants nothing that the layers did not grant', async (t) => {
  const { env } = await dispatched('GET', `${datasource}/health`)
  t.like(await env.mayAccess({ reqRole: 'Viewer' })(), { left: { _tag: 'Forbidden' } })
})
