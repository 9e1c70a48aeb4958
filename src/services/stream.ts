import type { AggregatorError, Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import { json, stream as streamAnswer, type HttpAnswer } from '../http.ts'
import { pluginContextOf } from '../plugin-context.ts'
import type { CallOptions, PluginContext, StreamRequest, StreamResponse } from '../plugin.ts'
import { asJson, toHandle, unread, type PluginEnv, type ServiceDefinition, type ServiceRoute } from '../service.ts'
import { toPacket, type SharedPacket, type StreamSource } from '../shared-streams.ts'
import { instancePaths } from './paths.ts'
import { pluginHeaders } from './plugin-headers.ts'
import { chunksOf, type Subscribed } from './stream-chunks.ts'
import { decodePublication, decodeSubscription, type StreamCall, type Subscription } from './stream-request.ts'

/** A subscription may go on for hours, the call that it begins with may not. */
const subscribeTimeoutMs = 60_000

/** Data of an answer; the plugin may give none. */
const packetOf = (call: string, { data }: StreamResponse): E.Either<AggregatorError, SharedPacket | undefined> =>
  data.length === 0
    ? E.right(undefined)
    : pipe(
        toPacket(data),
        E.fromOption((): AggregatorError => ({
          _tag: 'BadPlugin',
          message: `the plugin answered ${call} with data that is no JSON`,
        })),
      )

const allowed = (call: string, path: string, answer: StreamResponse): E.Either<AggregatorError, StreamResponse> => {
  switch (answer.status) {
    case 'OK':
      return E.right(answer)
    case 'NOT_FOUND':
      return E.left({
        _tag: 'NotFound',
        message: `stream "${path}" not found`,
        details: { name: path, kind: 'streams' },
      })
    case 'PERMISSION_DENIED':
      return E.left({ _tag: 'Forbidden', message: `the plugin does not permit ${call} of stream "${path}"` })
    default:
      return E.left({ _tag: 'BadPlugin', message: `the plugin answered ${call} with a status that nobody knows` })
  }
}

/** With the identity of the one who asks, whatever others read of the same stream. */
const requestOf = ({ path, data, headers, user }: StreamCall, pluginContext: PluginContext): StreamRequest => ({
  pluginContext,
  path,
  data,
  headers: pluginHeaders('stream', headers, user, pluginContext),
})

/** For as long as the stream: so it holds nothing of the request it began with. */
const sourceOf = ({ namespace, uid }: StreamCall, env: PluginEnv): ((signal: AbortSignal) => Result<StreamSource>) => {
  const { service, plugins, contexts, userAgent } = env
  const { pluginID } = service.spec
  return (signal) => {
    const plugin = plugins.plugin(pluginID)
    if (plugin === undefined) {
      const message = `plugin "${pluginID}" is not installed`
      return TE.left({ _tag: 'PluginUnavailable', message, retryAfterSeconds: 10 })
    }
    return pipe(
      pluginContextOf({ namespace, uid, user: undefined }, { service, contexts, userAgent, plugin, signal }),
      TE.map((context) => ({ client: plugin.client, context })),
    )
  }
}

const subscribe = (call: Subscription, env: PluginEnv): Result<Subscribed> => {
  const { namespace, uid, path, data } = call
  const { signal, timeoutMs, trace } = env
  // no `over`: the initial data is needed for a moment only
  const options: CallOptions = {
    signal,
    timeoutMs: Math.min(timeoutMs, subscribeTimeoutMs),
    ...(trace === undefined ? {} : { trace }),
  }
  return pipe(
    TE.Do,
    TE.bind('context', () => pluginContextOf(call, env)),
    TE.bind('answer', ({ context }) => env.plugin.client.subscribeStream(requestOf(call, context), options)),
    TE.bind('initial', ({ answer }) =>
      pipe(
        allowed('SubscribeStream', path, answer),
        E.flatMap((good) => packetOf('SubscribeStream', good)),
        TE.fromEither,
      ),
    ),
    TE.map(({ context, initial }) => {
      const { pluginId, apiVersion, user } = context
      const subject = { namespace, pluginId, uid, path, data, apiVersion, user }
      return { initial, packets: env.streams.join(subject, sourceOf(call, env)) }
    }),
  )
}

const answerOf = (subscribed: Subscribed, { spelling }: Subscription): HttpAnswer => {
  const { headers, farewell, heartbeat } = spelling
  const beat = heartbeat === undefined ? {} : { heartbeat }
  return streamAnswer(200, headers, chunksOf(subscribed, spelling), { farewell, ...beat, isEndless: true })
}

/** What the plugin gives back is what shall be published: it may have changed it, or published it in a way of its own. */
const publish = (call: StreamCall, env: PluginEnv): Result<void> =>
  pipe(
    TE.Do,
    TE.bind('context', () => pluginContextOf(call, env)),
    TE.bind('answer', ({ context }) => env.plugin.client.publishStream(requestOf(call, context), env)),
    TE.flatMapEither(({ context, answer }) =>
      pipe(
        allowed('PublishStream', call.path, answer),
        E.flatMap((good) => packetOf('PublishStream', good)),
        E.map((packet) => {
          const { namespace, uid, path } = call
          if (packet !== undefined) env.streams.publish({ namespace, pluginId: context.pluginId, uid, path }, packet)
        }),
      ),
    ),
  )

const routesAt = (path: string): ReadonlyArray<ServiceRoute> => [
  {
    method: 'GET',
    path,
    isLongRunning: () => true,
    upgrades: true,
    handle: toHandle({
      read: unread,
      decode: decodeSubscription,
      call: subscribe,
      encode: (subscribed, call) => E.right(answerOf(subscribed, call)),
    }),
  },
  {
    method: 'POST',
    path,
    handle: toHandle({
      read: asJson,
      decode: decodePublication,
      call: publish,
      encode: () => E.right(json(200, {})),
    }),
  },
]

/**
 * Streams: `GET …/stream/{path}` becomes SubscribeStream, and its reader one of a shared RunStream; `POST` becomes PublishStream. A reader gets
 * Server-Sent Events, JSON lines, or WebSocket messages. Source: pkg/services/live of Grafana.
 */
export const stream: ServiceDefinition = {
  type: 'stream',
  routes: ({ method }, { spec }) =>
    instancePaths(spec.pluginType, '/stream/*')
      .flatMap(routesAt)
      .filter((route) => method === undefined || route.method === method),
}
