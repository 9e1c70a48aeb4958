import type { PluginJson } from './api/plugin-json.ts'
import type { AggregatorError, Result } from './errors.ts'
import type { E } from './fp.ts'
import type { PluginStatus, PluginWatcher } from './plugin-status.ts'

/**
 * Messages of the plugin protocol, in the words of pluginv2's backend.proto, and the two ports behind which plugins and
 * instance settings live. Nothing here knows gRPC.
 */

export interface AppInstanceSettings {
  readonly jsonData: Uint8Array
  readonly decryptedSecureJsonData: Readonly<Record<string, string>>
  /** ms since the epoch; an SDK plugin rebuilds its instance whenever this changes. */
  readonly lastUpdatedMS: number
  readonly apiVersion?: string
}

export interface DataSourceInstanceSettings extends AppInstanceSettings {
  readonly id: number
  readonly uid: string
  readonly name: string
  readonly url: string
  readonly user: string
  readonly database: string
  readonly basicAuthEnabled: boolean
  readonly basicAuthUser: string
}

export interface PluginUser {
  readonly login: string
  readonly name: string
  readonly email: string
  readonly role: string
}

export interface PluginContext {
  readonly orgId: number
  readonly pluginId: string
  readonly user?: PluginUser | undefined
  readonly appInstanceSettings?: AppInstanceSettings | undefined
  readonly dataSourceInstanceSettings?: DataSourceInstanceSettings | undefined
  /** Keep it the same from call to call: an SDK plugin rebuilds its instance when it changes. */
  readonly grafanaConfig: Readonly<Record<string, string>>
  readonly pluginVersion: string
  readonly userAgent: string
  readonly apiVersion: string
  readonly namespace: string
}

export interface TimeRange {
  readonly fromEpochMS: number
  readonly toEpochMS: number
}

export interface DataQuery {
  readonly refId: string
  readonly queryType: string
  readonly maxDataPoints: number
  readonly intervalMS: number
  readonly timeRange: TimeRange
  /** The query as JSON, without its `timeRange`; numbers as the client wrote them. */
  readonly json: Uint8Array
}

export interface QueryDataRequest {
  readonly pluginContext: PluginContext
  /** Keys by the rules of the plugin SDK: bare for Authorization, X-ID-Token, Cookie, FromAlert, else `http_` + canonical name. */
  readonly headers: Readonly<Record<string, string>>
  readonly queries: ReadonlyArray<DataQuery>
}

/** `arrow`: each frame is an Arrow IPC file. `json`: each frame is the JSON text of a data frame. */
export type DataFrameFormat = 'arrow' | 'json'

export interface DataResponse {
  readonly format: DataFrameFormat
  readonly frames: ReadonlyArray<Uint8Array>
  /** Empty: no error. Error and frames together are legal (partial data). */
  readonly error: string
  /** As sent; anything but `plugin` and `downstream` counts as `plugin` when there is an error. */
  readonly errorSource: string
  /** HTTP code as sent; 0 when the plugin left it unset. */
  readonly status: number
}

export interface QueryDataResponse {
  /** By refId, in no particular order. A Map, since a refId may be `__proto__` or look like an array index. */
  readonly responses: ReadonlyMap<string, DataResponse>
}

/** One message of a chunked answer; messages of one frame share `frameId`, and only the first of them carries its metadata. */
export interface QueryDataChunk {
  readonly refId: string
  readonly frameId: string
  readonly format: DataFrameFormat
  /** Empty in a message that tells of an error. */
  readonly frame: Uint8Array
  readonly error: string
  readonly errorSource: string
  readonly status: number
}

/** HTTP headers as lists of values; names as their sender spells them. */
export type HeaderLists = Readonly<Record<string, ReadonlyArray<string>>>

export interface CallResourceRequest {
  readonly pluginContext: PluginContext
  /** Below the plugin's resources, without a leading slash. */
  readonly path: string
  readonly method: string
  /** `path` and the query string. */
  readonly url: string
  readonly headers: HeaderLists
  readonly body: Uint8Array
}

/** One message of a resource's answer; status and headers count in the first one only. */
export interface CallResourceResponse {
  readonly status: number
  readonly headers: HeaderLists
  readonly body: Uint8Array
}

export interface CheckHealthRequest {
  readonly pluginContext: PluginContext
  /** As in QueryDataRequest. */
  readonly headers: Readonly<Record<string, string>>
}

export interface CheckHealthResponse {
  readonly status: 'UNKNOWN' | 'OK' | 'ERROR'
  readonly message: string
  /** JSON; empty when the plugin gave none. */
  readonly jsonDetails: Uint8Array
}

export interface CollectMetricsRequest {
  readonly pluginContext: PluginContext
}

export interface CollectMetricsResponse {
  /** Prometheus text exposition format. */
  readonly prometheus: Uint8Array
}

/** Of SubscribeStream, RunStream and PublishStream alike. */
export interface StreamRequest {
  readonly pluginContext: PluginContext
  readonly path: string
  /** JSON given by the client; may be empty. */
  readonly data: Uint8Array
  /** As in QueryDataRequest. */
  readonly headers: Readonly<Record<string, string>>
}

/** Of SubscribeStream and PublishStream alike. */
export interface StreamResponse {
  readonly status: 'OK' | 'NOT_FOUND' | 'PERMISSION_DENIED'
  /** JSON; initial data of a subscription, or what shall be published; may be empty. */
  readonly data: Uint8Array
}

export interface StreamPacket {
  /** JSON. */
  readonly data: Uint8Array
}

export interface GroupVersionKind {
  readonly group: string
  readonly version: string
  readonly kind: string
}

export type AdmissionOperation = 'CREATE' | 'UPDATE' | 'DELETE'

export interface AdmissionRequest {
  readonly pluginContext: PluginContext
  readonly operation: AdmissionOperation
  readonly kind: GroupVersionKind
  /** The object as JSON; empty for DELETE. */
  readonly objectBytes: Uint8Array
  /** The stored object as JSON; empty for CREATE. */
  readonly oldObjectBytes: Uint8Array
}

export interface StatusResult {
  readonly status: string
  readonly message: string
  readonly reason: string
  readonly code: number
}

export interface ValidationResponse {
  readonly allowed: boolean
  /** Optional in the protocol; `undefined` when the plugin left it out. */
  readonly result: StatusResult | undefined
  readonly warnings: ReadonlyArray<string>
}

export interface MutationResponse extends ValidationResponse {
  /** The mutated object as JSON; empty when the plugin returned none. */
  readonly objectBytes: Uint8Array
}

export interface RawObject {
  readonly raw: Uint8Array
  /** Shape: `application/json`. */
  readonly contentType: string
}

export interface ConversionRequest {
  readonly pluginContext: PluginContext
  readonly uid: string
  readonly objects: ReadonlyArray<RawObject>
  readonly targetVersion: { readonly group: string; readonly version: string }
}

export interface ConversionResponse {
  readonly uid: string
  /** `undefined` when the plugin left it out. */
  readonly result: StatusResult | undefined
  readonly objects: ReadonlyArray<RawObject>
}

export interface CallOptions {
  /** Aborted when the client leaves or the deadline passes; the call must end at once. */
  readonly signal: AbortSignal
  /** What is left of the request's time when the call begins, ms. */
  readonly timeoutMs: number
  /** Its stream may go on and on: once it has begun it takes no place of other calls. Default: no. */
  readonly isLongRunning?: boolean
  /** Resolves when the answer is needed no more: until then its bytes count as in flight. Left out: when the call has ended. */
  readonly over?: Promise<unknown>
  /** Trace context for the plugin. Shape: `{ traceparent: '00-…-01' }`; printable ASCII, a few hundred bytes at most. */
  readonly trace?: Readonly<Record<string, string>>
}

/**
 * Messages in order, as they are taken: one that nobody takes waits at the plugin. A Left is the last one and tells why the
 * rest is missing. The call begins with the first `next`, once; leaving the loop ends it. Iterating never rejects.
 */
export type MessageStream<A> = AsyncIterable<E.Either<AggregatorError, A>>

/**
 * One plugin, whatever carries it: a process behind gRPC, or functions in this process. Each call fails with NotImplemented
 * (the plugin does not offer it), PluginUnavailable (down or starting), PluginTimeout, PluginFailed (it answered with an
 * error), BadPlugin (it answered garbage, or more than the limit), TooManyRequests (its queue, or the memory for answers, is
 * full), BodyTooLarge, Cancelled.
 */
export interface PluginClient {
  queryData(request: QueryDataRequest, options: CallOptions): Result<QueryDataResponse>
  queryChunkedData(request: QueryDataRequest, options: CallOptions): MessageStream<QueryDataChunk>
  callResource(request: CallResourceRequest, options: CallOptions): MessageStream<CallResourceResponse>
  checkHealth(request: CheckHealthRequest, options: CallOptions): Result<CheckHealthResponse>
  collectMetrics(request: CollectMetricsRequest, options: CallOptions): Result<CollectMetricsResponse>
  subscribeStream(request: StreamRequest, options: CallOptions): Result<StreamResponse>
  runStream(request: StreamRequest, options: CallOptions): MessageStream<StreamPacket>
  publishStream(request: StreamRequest, options: CallOptions): Result<StreamResponse>
  validateAdmission(request: AdmissionRequest, options: CallOptions): Result<ValidationResponse>
  mutateAdmission(request: AdmissionRequest, options: CallOptions): Result<MutationResponse>
  convertObjects(request: ConversionRequest, options: CallOptions): Result<ConversionResponse>
}

export interface InstalledPlugin {
  readonly id: string
  /** `info.version` of plugin.json; empty when unknown. */
  readonly version: string
  /** Its plugin.json; left out when nobody knows it. */
  readonly pluginJson?: PluginJson
  readonly client: PluginClient
}

/** All plugins at hand. `plugin` is asked per request: cheap, never waits. */
export interface PluginHost {
  /** `undefined`: no plugin of this id is installed. */
  plugin(pluginId: string): InstalledPlugin | undefined
  /** What each plugin is doing; left out by hosts whose plugins have no life of their own. */
  statuses?(): ReadonlyArray<PluginStatus>
  /** Tells of each change of a plugin's state, from now on. Gives back what ends it. */
  watch?(watcher: PluginWatcher): () => void
  /** Stops everything it started; resolves when no process, socket, timer or listener is left. */
  close(): Promise<void>
}

export interface PluginContextRequest {
  readonly pluginId: string
  readonly pluginType: 'app' | 'datasource'
  /** `undefined` for calls that concern no instance (admission). */
  readonly uid: string | undefined
  /** Empty for calls outside any namespace (admission of cluster-scoped objects). */
  readonly namespace: string
}

/**
 * What a provider knows of an instance. User, namespace, API version and plugin version are the request's, not the
 * instance's, and are added by the pipeline: so a provider's answer may be cached and shared between users.
 */
export interface InstanceSettings {
  readonly orgId: number
  readonly appInstanceSettings?: AppInstanceSettings
  readonly dataSourceInstanceSettings?: DataSourceInstanceSettings
  readonly grafanaConfig: Readonly<Record<string, string>>
}

/** Where instance settings and secrets come from. Fails with NotFound (no such instance), PluginUnavailable (cannot tell now). */
export interface PluginContextProvider {
  getInstanceSettings(request: PluginContextRequest, signal: AbortSignal): Result<InstanceSettings>
  /** Present where a provider holds something open (a file watch). */
  close?(): Promise<void>
}
