import type { Service } from '../api/dataplane-service.ts'
import type { AggregatorError, Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import { stream, type ByteStream, type HeaderMap, type HttpRequest, type User } from '../http.ts'
import { pluginContextOf } from '../plugin-context.ts'
import type { CallResourceRequest, CallResourceResponse, HeaderLists, PluginContext } from '../plugin.ts'
import { asBytes, toHandle, type PluginEnv, type ServiceDefinition, type ServiceRoute } from '../service.ts'
import { forwardedHeaders } from './forwarded-headers.ts'
import { instancePaths } from './paths.ts'
import { cookiesOf, toAscii, tokensOf } from './plugin-headers.ts'
import { readHead, type Asked, type ResourceHead } from './route-answer.ts'
import { resourcePath, type ResourcePath } from './route-path.ts'

/** A request for a resource, read. */
interface RouteCall extends Asked, Pick<CallResourceRequest, 'method' | 'body'> {
  readonly resource: ResourcePath
  readonly namespace: string
  readonly uid: string | undefined
  readonly user: User | undefined
  readonly headers: HeaderMap
}

/** The first message is here, the others are still to come. */
interface RouteAnswer extends ResourceHead {
  readonly chunks: ByteStream
}

type Message = E.Either<AggregatorError, CallResourceResponse>
type Messages = AsyncIterator<Message, unknown>

/** Where in a path a plugin's own begins: what stands before is this server's. */
type Cut = (request: HttpRequest) => Pick<RouteCall, 'uid' | 'base'> & { readonly encoded: string }

/** Below `…/resources`, the tail. */
const cutResources: Cut = ({ path, params, tail }) => ({
  uid: params['uid'],
  base: path.slice(0, path.length - tail.length).replace(/\/$/, ''),
  encoded: tail,
})

/** `/apis/{group}/{version}/namespaces/{namespace}`, and what stands before the first slash. */
const segmentsOfNamespace = 6

/** All below the namespace. A template may bind a `uid` too, which is none of an instance. */
const cutCustom: Cut = ({ path }) => {
  const segments = path.split('/')
  return {
    uid: undefined,
    base: segments.slice(0, segmentsOfNamespace + 1).join('/'),
    encoded: segments.slice(segmentsOfNamespace).join('/'),
  }
}

const decodeRoute =
  (cut: Cut) =>
  (request: HttpRequest, body: Uint8Array): E.Either<AggregatorError, RouteCall> => {
    const { method, path, params, query, headers, user } = request
    const { encoded, ...rest } = cut(request)
    const { namespace = '' } = params
    return E.right({ ...rest, namespace, method, path, headers, user, body, resource: resourcePath(encoded, query) })
  }

/** As Go's net/http spells it: plugins look headers up by that name. Shape: `X-Panel-Id`. */
const canonicalName = (name: string): string => name.replace(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase())

const headerLists = (
  { headers, user }: RouteCall,
  context: PluginContext,
  more: ReadonlyArray<string>,
): HeaderLists => {
  const cookies = cookiesOf(headers, context)
  const all: HeaderMap = {
    ...forwardedHeaders(headers, more),
    ...tokensOf(user, context),
    ...(cookies === '' ? {} : { cookie: cookies }),
  }
  return Object.fromEntries(
    Object.entries(all).map(([name, value = []]) => [canonicalName(name), [value].flat().map(toAscii)]),
  )
}

const done = { done: true, value: undefined } as const

/** The bodies as they come; a message without one says nothing. */
const bodiesOf = (first: CallResourceResponse, messages: Messages): ByteStream => {
  let held: Message | undefined = E.right(first)
  const take = async (): Promise<Message | undefined> => {
    const message = held
    held = undefined
    if (message !== undefined) return message
    const step = await messages.next()
    return step.done === true ? undefined : step.value
  }
  const iterator: AsyncIterator<E.Either<AggregatorError, Uint8Array>, undefined> = {
    next: async () => {
      for (;;) {
        const message = await take()
        if (message === undefined) return done
        if (E.isLeft(message)) return { done: false, value: message }
        const { body } = message.right
        if (body.length > 0) return { done: false, value: E.right(body) }
      }
    },
    return: async () => {
      await messages.return?.()
      return done
    },
  }
  return { [Symbol.asyncIterator]: () => iterator }
}

const silent: AggregatorError = { _tag: 'BadPlugin', message: 'the plugin answered with nothing at all' }

/**
 * Waits for the first message, which says how the answer begins: until then a failure still has its code. A call that comes to
 * nothing here is ended by its signal, as every call of a request that failed.
 */
const begin =
  (messages: Messages, call: RouteCall): Result<RouteAnswer> =>
  async () => {
    const step = await messages.next()
    if (step.done === true) return E.left(silent)
    if (E.isLeft(step.value)) return step.value
    const first = step.value.right
    return pipe(
      readHead(first, call),
      E.map((head) => ({ ...head, chunks: bodiesOf(first, messages) })),
    )
  }

const callRoute = (call: RouteCall, env: PluginEnv): Result<RouteAnswer> =>
  pipe(
    pluginContextOf(call, env),
    TE.flatMap((pluginContext) => {
      const { method, body, resource } = call
      const headers = headerLists(call, pluginContext, env.forwardedHeaders)
      const messages = env.plugin.client.callResource({ pluginContext, method, headers, body, ...resource }, env)
      return begin(messages[Symbol.asyncIterator](), call)
    }),
  )

const eventStream = /\btext\/event-stream\b/i

/** Who asks for events means to stay. */
const asksForEvents = ({ headers }: HttpRequest): boolean => eventStream.test(String(headers['accept'] ?? ''))

const handleOf = (cut: Cut): ServiceRoute['handle'] =>
  toHandle({
    read: asBytes,
    decode: decodeRoute(cut),
    call: callRoute,
    encode: ({ status, headers, chunks }, { method }) => {
      // who asked for more than to read waits for the end, and so does a shutdown
      const isEndless = method === 'GET' && eventStream.test(String(headers['content-type'] ?? ''))
      return E.right(stream(status, headers, chunks, { isEndless }))
    },
  })

const claims = ({ method = '*' }: Service, paths: ReadonlyArray<string>, cut: Cut): ReadonlyArray<ServiceRoute> =>
  paths.map((path) => ({ method, path, handle: handleOf(cut), isLongRunning: asksForEvents }))

/**
 * What a plugin serves over HTTP: CallResource. An entry without `path` claims an instance's `…/resources` and all below it, in
 * the plugin's own words; one with a `path` claims that below the namespace, for no instance of a datasource. An answer
 * without a message is 502 (Grafana: an empty 200). A 401 is the plugin's own, without `WWW-Authenticate`: it asks nobody to log
 * in here. Source: sub_resource.go of Grafana's datasource apiserver.
 */
export const route: ServiceDefinition = {
  type: 'route',
  routes: (entry, { spec }) =>
    entry.path === undefined
      ? claims(entry, instancePaths(spec.pluginType, '/resources/*'), cutResources)
      : claims(entry, [`/namespaces/{namespace}${entry.path}`], cutCustom),
}
