import type { PluginJson, PluginRoute } from '../../src/api/plugin-json.ts'
import type { Backend } from '../../src/api/dataplane-service.ts'
import type { Authorize } from '../../src/authorization.ts'
import { dispatch, requestHeaders } from '../../src/dispatch.ts'
import type { AggregatorError } from '../../src/errors.ts'
import type { ForwardRequest } from '../../src/forward.ts'
import { E } from '../../src/fp.ts'
import { failure, type ByteStream, type HeaderMap, type User } from '../../src/http.ts'
import { applyLayers, layers, responseHeaders } from '../../src/layers/index.ts'
import { defaults } from '../../src/options.ts'
import type { PluginHost } from '../../src/plugin.ts'
import { match } from '../../src/routing/match.ts'
import { compile } from '../../src/routing/table.ts'
import { staticContexts } from '../../src/contexts/static.ts'
import { serviceDefinitions } from '../../src/services/index.ts'
import { service } from '../api/manifests.ts'
import { envOf, surroundings } from '../telemetry/requests.ts'
import { bodyOf, bytesOf, noFrames } from './serve.ts'

/** What was sent on, its body read. */
export interface Sent extends Omit<ForwardRequest, 'body'> {
  readonly body: string | undefined
  readonly signal: AbortSignal
  /** Whether somebody has left the body of its answer. */
  readonly isLeft: () => boolean
}

export interface Scripted {
  readonly status?: number
  readonly headers?: HeaderMap
  readonly body?: string
}

type Script = (request: Sent) => Scripted | AggregatorError | Promise<Scripted | AggregatorError>

export interface ProxySetup {
  readonly plugin?: string
  readonly type?: 'app' | 'datasource'
  readonly services?: ReadonlyArray<unknown>
  readonly routes?: ReadonlyArray<PluginRoute>
  readonly backend?: Backend
  /** Of the datasource `p1`, or of the app. */
  readonly settings?: Omit<NonNullable<Parameters<typeof staticContexts>[0]['datasources']>[number], 'uid' | 'type'>
  readonly authorize?: Authorize
  readonly forwardedHeaders?: ReadonlyArray<string>
  readonly trace?: Readonly<Record<string, string>>
  readonly answer?: Script | Scripted
  /** Default: it is installed, but every call to it fails. */
  readonly plugins?: PluginHost
}

export interface Asking {
  readonly headers?: HeaderMap
  readonly body?: string | Uint8Array
  readonly user?: User
  readonly signal?: AbortSignal
  readonly nowMs?: number
}

export interface Answered {
  readonly status: number
  readonly headers: HeaderMap
  readonly body: string
  /** Of a Status. */
  readonly message: string
}

const readAll = async (body: ForwardRequest['body']): Promise<string | undefined> => {
  if (body === undefined || body instanceof Uint8Array) return body && Buffer.from(body).toString()
  return (await bytesOf({ _tag: 'Stream', status: 200, headers: {}, chunks: body })).toString()
}

const chunksOf = (body: string, onLeft: () => void): ByteStream => {
  const chunks = body === '' ? [] : [E.right(Buffer.from(body))]
  const next = (): Promise<IteratorResult<(typeof chunks)[number], undefined>> => {
    const value = chunks.shift()
    return Promise.resolve(value === undefined ? { done: true, value } : { done: false, value })
  }
  const leave = (): ReturnType<typeof next> => {
    onLeft()
    return Promise.resolve({ done: true, value: undefined })
  }
  return { [Symbol.asyncIterator]: () => ({ next, return: leave }) }
}

/** `DS` of the default service. */
export const base = '/apis/p.example.com/v1/namespaces/default/datasources/p1'

/** The whole pipeline between two ports: requests go in, and what would be sent on is kept. */
export const createProxy = (given: ProxySetup = {}) => {
  const { plugin = 'p', type = 'datasource', routes, backend, settings = {}, answer = {} } = given
  const services = given.services ?? [{ type: 'datasource-proxy' }]
  const made = service(services, { pluginID: plugin, pluginType: type })
  const of = backend === undefined ? made : { ...made, spec: { ...made.spec, backend } }
  const table = compile([of], serviceDefinitions(noFrames))
  const pluginJson: PluginJson = { id: plugin, type, ...(routes === undefined ? {} : { routes: [...routes] }) }
  // a client of this shape fails whatever is called
  const client = new Proxy({} as never, {
    get: (_, call) => {
      throw new Error(`the plugin was asked: ${String(call)}`)
    },
  })
  const plugins: PluginHost = given.plugins ?? {
    plugin: (id) => (id === plugin ? { id, version: '1.0.0', client, pluginJson } : undefined),
    close: () => Promise.resolve(),
  }
  const contexts = staticContexts(
    type === 'app'
      ? { apps: [{ type: plugin, ...settings }] }
      : { datasources: [{ uid: 'p1', type: plugin, url: 'http://db:9090', ...settings }] },
  )
  const sent: Sent[] = []
  const script: Script = typeof answer === 'function' ? answer : () => answer
  const errors: AggregatorError[] = []
  const run = dispatch({
    handle: applyLayers(
      layers({
        observe: () => ({
          ...(given.trace === undefined ? {} : { trace: given.trace }),
          ended: ({ error }) => {
            if (error !== undefined) errors.push(error)
          },
        }),
        authorize: given.authorize,
        inFlight: { reads: 100, writes: 100, longRunning: 100 },
        deadlines: { requestTimeoutMs: defaults.requestTimeoutMs, longRunningTimeoutMs: defaults.longRunningTimeoutMs },
        headers: { request: [...requestHeaders, ...(given.forwardedHeaders ?? [])], response: responseHeaders },
      }),
    ),
    ...surroundings,
    plugins,
    contexts,
    userAgent: envOf().userAgent,
    forwardedHeaders: given.forwardedHeaders ?? [],
    requestTimeoutMs: defaults.requestTimeoutMs,
    forward:
      (request, { signal }) =>
      async () => {
        let isLeft = false
        const outgoing = { ...request, body: await readAll(request.body), signal, isLeft: () => isLeft }
        sent.push(outgoing)
        const scripted = await script(outgoing)
        if ('_tag' in scripted) return E.left(scripted)
        const { status = 200, headers = {}, body = '' } = scripted
        const leave = (): void => {
          isLeft = true
        }
        return E.right({ status, headers, body: chunksOf(body, leave) })
      },
  })
  const ask = async (method: string, path: string, asking: Asking = {}): Promise<Answered> => {
    const url = path.startsWith('/apis') ? path : base + path
    const matched = match(table, method, url)
    if (matched === undefined) throw new Error(`nobody claims ${method} ${url}`)
    const { headers = {}, body, user, signal = new AbortController().signal, nowMs = 0 } = asking
    const arrival = { method, headers, user, receivedAtMs: nowMs, over: Promise.resolve(undefined), ...bodyOf(body) }
    const result = await run(matched, arrival, signal)()
    const out = E.isRight(result) ? result.right : failure(result.left)
    const text = (await bytesOf(out)).toString()
    const message = E.isLeft(result) ? (JSON.parse(text) as { message: string }).message : ''
    return { status: out.status, headers: out.headers, body: text, message }
  }
  return { ask, sent, errors }
}
