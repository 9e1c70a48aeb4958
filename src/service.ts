import type { DataPlaneService, OwnType, Service, ServiceType } from './api/dataplane-service.ts'
import type { RouteAccess } from './authorization.ts'
import type { AggregatorError, Result } from './errors.ts'
import type { Forward } from './forward.ts'
import { pipe, TE, type E } from './fp.ts'
import type { HttpAnswer, HttpRequest, JsonBody } from './http.ts'
import type {
  CallOptions,
  DataFrameFormat,
  InstalledPlugin,
  PluginContextProvider,
  PluginHost,
  QueryDataResponse,
} from './plugin.ts'
import type { SharedStreams } from './shared-streams.ts'

/** What answers a claimed request: a service of a plugin, or one of our own faces. */
export type RouteType = ServiceType | OwnType

/** What a service may reach while it answers one request. */
export interface CallEnv extends CallOptions {
  /** The object that claims the path; `ownService` for what we answer ourselves. */
  readonly service: DataPlaneService
  readonly type: RouteType
  readonly route: ServiceRoute
  readonly plugins: PluginHost
  readonly contexts: PluginContextProvider
  /** Told to plugins. Shape: `Grafana/12.4.0 (linux; amd64)`; the plugin SDK ignores any other. */
  readonly userAgent: string
  /** Sends a request on to what stands behind a proxied path. */
  readonly forward: Forward
  readonly streams: SharedStreams
  /** Whether the user may do what a route of plugin.json asks for beyond the request itself. Fails with Forbidden. */
  readonly mayAccess: (access: RouteAccess) => Result<void>
  /** Whether the user may create what the request is about, where it asks to change it, and it is not there. Left out: nobody is asked. */
  readonly mayCreate?: Result<void>
  /** Lower-case names of headers that the host's owner lets through to plugins' resources and datasources, beside the usual ones. */
  readonly forwardedHeaders: ReadonlyArray<string>
}

/** `CallEnv` once the service's plugin is found. */
export interface PluginEnv extends CallEnv {
  readonly plugin: InstalledPlugin
}

/**
 * A service type in its steps. Keep the order read, decode, call, encode: it is the request's, and TypeScript infers the types
 * of the later steps from the earlier ones. `decode` and `encode` are pure; `call` is the effect.
 */
export interface ServiceHandler<Body, Call, Answer> {
  /** What of the body it wants: `asJson`, `asBytes`, or `unread`. */
  readonly read: (request: HttpRequest) => Result<Body>
  readonly decode: (request: HttpRequest, body: Body, service: DataPlaneService) => E.Either<AggregatorError, Call>
  readonly call: (call: Call, env: PluginEnv) => Result<Answer>
  readonly encode: (answer: Answer, call: Call) => E.Either<AggregatorError, HttpAnswer>
}

/** The one shape of everything that answers a claimed request. */
export type Handle = (request: HttpRequest, env: CallEnv) => Result<HttpAnswer>

/** A cross-cutting rule: wraps every handle there is, whatever its service type. */
export type Layer = (next: Handle) => Handle

/** One claim below `/apis/{group}/{version}`. Shape of `path`: `/namespaces/{namespace}/datasources/{uid}/query`; a last segment `*` takes the rest. */
export interface ServiceRoute {
  /** Upper-case HTTP method, or `*` for any. */
  readonly method: string
  readonly path: string
  readonly handle: Handle
  /** Whether a request has the time, and the place, of one that goes on and on. Default: no. */
  readonly isLongRunning?: (request: HttpRequest) => boolean
  /** Whether it may be asked for as a WebSocket. Default: no. */
  readonly upgrades?: boolean
  /**
   * Whether the path is shared with the handler mounted after us, which answers it alone when ours may not be seen or fails before it
   * was asked. Default: no.
   */
  readonly isShared?: boolean
}

export interface ServiceDefinition {
  readonly type: ServiceType
  /** What one entry of `spec.services` claims. Pure. */
  readonly routes: (entry: Service, service: DataPlaneService) => ReadonlyArray<ServiceRoute>
}

/**
 * Turns what a plugin answered into the bytes of Grafana's query response: `{"results":{…}}` and a line feed. Everything
 * that can be wrong with a frame is found before the first chunk; pulling chunks never throws. Left: one sentence that
 * names refId and frame, for the log and a 502.
 */
export type EncodeQueryData = (response: QueryDataResponse) => E.Either<string, Iterable<Buffer>>

/** One frame as the JSON of a data frame, in pieces. Left: what is wrong with it. */
export type EncodeFrame = (frame: Uint8Array, format: DataFrameFormat) => E.Either<string, Iterable<Buffer>>

/** What services need of frames. */
export interface FrameEncoders {
  readonly encodeQueryData: EncodeQueryData
  readonly encodeFrame: EncodeFrame
}

/** The ways to read a body. */
export const asJson = (request: HttpRequest): Result<JsonBody> => request.readJson
export const asBytes = (request: HttpRequest): Result<Uint8Array> => request.readBytes
export const unread = (): Result<undefined> => TE.right(undefined)

const findPlugin = (env: CallEnv): Result<InstalledPlugin> => {
  const { pluginID } = env.service.spec
  const plugin = env.plugins.plugin(pluginID)
  return plugin === undefined
    ? TE.left({
        _tag: 'PluginUnavailable',
        message: `plugin "${pluginID}" is not installed`,
        retryAfterSeconds: 10,
      })
    : TE.right(plugin)
}

/**
 * The pipeline that all service types share: read, decode, find the plugin, call, encode. Reading and decoding are one step: only
 * what was decoded outlives it, for a body parsed is many times its size, and plugins may take long.
 */
export const toHandle =
  <Body, Call, Answer>({ read, decode, call, encode }: ServiceHandler<Body, Call, Answer>): Handle =>
  (request, env) =>
    pipe(
      TE.Do,
      TE.bind('input', () =>
        pipe(
          read(request),
          TE.flatMapEither((body) => decode(request, body, env.service)),
        ),
      ),
      TE.bind('plugin', () => findPlugin(env)),
      TE.bind('answer', ({ input, plugin }) => call(input, { ...env, plugin })),
      TE.flatMapEither(({ input, answer }) => encode(answer, input)),
    )
