import test from 'ava'

import { serviceTypes, pluginTypes, type DataPlaneService } from '../../src/api/dataplane-service.ts'
import { dispatch, requestHeaders } from '../../src/dispatch.ts'
import { toStatus, type AggregatorError } from '../../src/errors.ts'
import { E, TE } from '../../src/fp.ts'
import { stream, type Arrival, type HttpRequest } from '../../src/http.ts'
import { applyLayers, layers, responseHeaders, type LayerOptions } from '../../src/layers/index.ts'
import { match } from '../../src/routing/match.ts'
import type { CallEnv, Layer } from '../../src/service.ts'
import { service } from '../api/manifests.ts'
import { definitions, routes, tableOf, tell } from '../routing/tables.ts'
import { bodyOf } from '../services/serve.ts'
import { envOf, requestOf, surroundings } from '../telemetry/requests.ts'
import { answer, broken, slow, tagOf, type Outcome } from './answers.ts'

const everything = [...serviceTypes.map((type) => ({ type })), ...routes('GET /reports/{id}', '/files/*')]

const named = (name: string, pluginType: string): DataPlaneService =>
  service(everything, { name, pluginType, group: `${name}.example.com` })

const withBackend = (given: DataPlaneService): DataPlaneService => ({
  ...given,
  spec: { ...given.spec, backend: { type: 'http', baseURL: 'https://reports' } },
})

const objects = [
  ...pluginTypes.map((pluginType) => named(pluginType, pluginType)),
  withBackend(named('backend', 'datasource')),
]
const table = tableOf(...objects)

interface Given extends Partial<Pick<Arrival, 'authenticate' | 'upgrade'>> {
  readonly signal?: AbortSignal
}

/** One request for each route of each type, and one for each way in which a claimed path is refused. */
const requests: ReadonlyArray<readonly [title: string, method: string, url: string, given?: Given]> = objects.flatMap(
  (object) =>
    object.spec.services.flatMap((entry) =>
      definitions[entry.type].routes(entry, object).flatMap(({ method, path }) => {
        const prefix = `/apis/${object.spec.group}/${object.spec.version}`
        const url =
          prefix +
          path
            .replace('{namespace}', 'default')
            .replace(/\{\w+\}/g, 'x')
            .replace('*', 'a/b')
        const title = `${object.metadata.name} ${entry.type} ${method} ${path}`
        return [
          [title, method === '*' ? 'PUT' : method, url] as const,
          [
            `an ambiguous path of ${title}`,
            method === '*' ? 'PUT' : method,
            url.replace(prefix, `${prefix}/.`),
          ] as const,
          ...(method === '*' ? [] : [[`another method of ${title}`, 'TRACE', url] as const]),
          ...(method === 'POST' ? [] : [[`a WebSocket of ${title}`, 'GET', url, { upgrade: 'websocket' }] as const]),
        ]
      }),
    ),
)

const body = { queries: [{ refId: 'A', datasource: { uid: 'x' } }] }
const arrival = (method: string): Arrival => ({
  method,
  headers: { 'content-type': 'application/json' },
  user: undefined,
  receivedAtMs: 0,
  over: Promise.resolve(undefined),
  ...bodyOf(JSON.stringify(body)),
})

const options: LayerOptions = {
  observe: () => ({ ended: () => undefined }),
  authorize: () => true,
  inFlight: { reads: 10, writes: 10, longRunning: 10 },
  deadlines: { requestTimeoutMs: 60_000, longRunningTimeoutMs: 60_000 },
  headers: { request: requestHeaders, response: responseHeaders },
}

const serve = (list: ReadonlyArray<Layer>, method: string, url: string, given: Given = {}) => {
  const { signal = new AbortController().signal, ...more } = given
  const matched = match(table, method, url)
  if (matched === undefined) throw new Error(`nobody claims ${method} ${url}`)
  const { plugins, contexts, userAgent } = envOf()
  const around = { ...surroundings, plugins, contexts, userAgent, requestTimeoutMs: 60_000 }
  const run = dispatch({ ...around, handle: applyLayers(list) })
  return run(matched, { ...arrival(method), ...more }, signal)()
}

const codeOf = (outcome: Outcome): number => (E.isLeft(outcome) ? toStatus(outcome.left).code : outcome.right.status)

/** The list with a spy before each layer and behind the last. */
const spiedOn = (list: ReadonlyArray<Layer>, entered: number[]): ReadonlyArray<Layer> => {
  const spy =
    (place: number): Layer =>
    (next) =>
    (request, env) => {
      entered.push(place)
      return next(request, env)
    }
  return [...list.flatMap((layer, place) => [spy(place), layer]), spy(list.length)]
}

test('tries every service type for both types of plugin, and every refusal', (t) => {
  const types = new Set(requests.map(([, method, url]) => match(table, method, url)?.claim.type))
  t.deepEqual([...types].toSorted(), [...serviceTypes].toSorted())
  for (const [title, method, url] of requests) {
    const told = tell(match(table, method, url))
    const wanted = title.startsWith('an ') ? /^400 / : title.startsWith('another') ? /^405 / : /^(\*|[A-Z]+) \//
    t.regex(told, wanted, title)
  }
  t.true(requests.length > 120)
})

for (const [title, method, url, given] of requests) {
  test(`takes ${title} through each layer once, in their order`, async (t) => {
    const entered: number[] = []
    const list = layers(options)
    await serve(spiedOn(list, entered), method, url, given)
    t.deepEqual(entered, [...list.keys(), list.length])
  })

  test(`keeps every promise of the layers to ${title}`, async (t) => {
    const codes: number[] = []
    const asked: string[] = []
    const watched: Partial<LayerOptions> = {
      observe: () => ({
        ended: ({ code }) => {
          codes.push(code)
        },
      }),
      authorize: ({ path }) => {
        asked.push(path)
        return true
      },
    }
    const code = codeOf(await serve(layers({ ...options, ...watched }), method, url, given))
    t.deepEqual(codes, [code])
    t.deepEqual(asked, [match(table, method, url)?.path])
    const strange = { ...given, authenticate: TE.right(undefined) }
    const stranger = await serve(layers({ ...options, ...watched }), method, url, strange)
    t.is(asked.length, 1)
    const refused = await serve(layers({ ...options, authorize: () => false }), method, url, given)
    const none = { reads: 0, writes: 0, longRunning: 0 }
    const busy = await serve(layers({ ...options, inFlight: none }), method, url, given)
    const left = await serve(layers(options), method, url, { ...given, signal: AbortSignal.abort() })
    const tags = [stranger, refused, busy, left].map(tagOf)
    t.deepEqual(tags, ['Unauthorized', 'Forbidden', 'TooManyRequests', 'Cancelled'])
  })
}

const applied = (
  handle: CallEnv['route']['handle'],
  changes: Partial<LayerOptions> = {},
  request?: Partial<HttpRequest>,
) => applyLayers(layers({ ...options, ...changes }))(requestOf(request), envOf({ handle }))()

const short = { requestTimeoutMs: 1, longRunningTimeoutMs: 1 }

test('asks for leave before it counts, and counts before it starts the clock', async (t) => {
  const denied = { authorize: () => false, inFlight: { reads: 0, writes: 0, longRunning: 0 } }
  t.is(tagOf(await applied(() => TE.right(answer), denied)), 'Forbidden')
  t.is(tagOf(await applied(slow().handle, { inFlight: denied.inFlight, deadlines: short })), 'TooManyRequests')
})

test('frees its place when the time of a request is over', async (t) => {
  const handle = applyLayers(
    layers({ ...options, inFlight: { reads: 1, writes: 1, longRunning: 1 }, deadlines: short }),
  )
  for (let i = 0; i < 3; i++) {
    t.is(tagOf(await handle(requestOf(), envOf({ handle: slow().handle }))()), 'PluginTimeout')
  }
})

test('takes a stream through to its end: its place, its clock and its end are one', async (t) => {
  const codes: number[] = []
  const layered = layers({
    ...options,
    inFlight: { reads: 1, writes: 1, longRunning: 1 },
    observe: () => ({
      ended: ({ code }) => {
        codes.push(code)
      },
    }),
  })
  const handle = applyLayers(layered)
  let end: (error?: AggregatorError) => void = () => undefined
  const over = new Promise<AggregatorError | undefined>((resolve) => (end = resolve))
  let signal: AbortSignal | undefined
  const streaming: CallEnv['route']['handle'] = (_request, env) => {
    signal = env.signal
    return TE.right(stream(200, { 'set-cookie': 'a=b', etag: 'x' }, (async function* () {})()))
  }
  const env = envOf({ handle: streaming })
  const outcome = await handle(requestOf({ over }), env)()
  const answered = E.isRight(outcome) && outcome.right._tag === 'Stream' ? outcome.right : undefined
  t.deepEqual({ ...answered?.headers }, { etag: 'x', 'x-content-type-options': 'nosniff' })
  t.is(answered?.until, signal)
  t.deepEqual(codes, [])
  t.is(tagOf(await handle(requestOf(), env)()), 'TooManyRequests')
  t.deepEqual(codes, [429])
  t.false(signal?.aborted)
  end()
  await new Promise(setImmediate)
  t.deepEqual(codes, [429, 200])
  t.true(signal?.aborted)
  t.is(tagOf(await handle(requestOf(), env)()), '200')
})

test('shows a service only the headers that cross, and strips its answer', async (t) => {
  let seen: HttpRequest['headers'] = {}
  const outcome = await applied(
    (request) => {
      seen = request.headers
      return TE.right({ ...answer, headers: { 'set-cookie': 'a=b', etag: 'x' } })
    },
    {},
    { headers: { cookie: 'a=b', authorization: 'secret', accept: '*/*', 'x-panel-id': '2' } },
  )
  // cookies cross: which of them a plugin may see is said by its instance
  t.deepEqual({ ...seen }, { accept: '*/*', 'x-panel-id': '2', cookie: 'a=b' })
  t.deepEqual(E.isRight(outcome) && { ...outcome.right.headers }, { etag: 'x', 'x-content-type-options': 'nosniff' })
})

for (const [how, handle] of Object.entries(broken)) {
  test(`answers 500 for a service that ${how}, tells the observer and frees the place`, async (t) => {
    const codes: number[] = []
    const run = applyLayers(
      layers({
        ...options,
        inFlight: { reads: 1, writes: 1, longRunning: 1 },
        observe: () => ({
          ended: ({ code }) => {
            codes.push(code)
          },
        }),
      }),
    )
    for (let i = 0; i < 2; i++) t.is(tagOf(await run(requestOf(), envOf({ handle }))()), 'Unexpected')
    t.deepEqual(codes, [500, 500])
  })
}
