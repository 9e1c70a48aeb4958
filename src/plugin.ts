import type { Result } from './errors.ts'

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

export interface CallOptions {
  /** Aborted when the client leaves or the deadline passes; the call must end at once. */
  readonly signal: AbortSignal
  /** What is left of the request's time when the call begins, ms. */
  readonly timeoutMs: number
}

/**
 * One plugin, whatever carries it: a process behind gRPC, or functions in this process. Each call fails with NotImplemented
 * (the plugin does not offer it), PluginUnavailable (down or starting), PluginTimeout, PluginFailed (it answered with an
 * error), BadPlugin (it answered garbage, or more than the limit), Cancelled.
 */
export interface PluginClient {
  queryData(request: QueryDataRequest, options: CallOptions): Result<QueryDataResponse>
  validateAdmission(request: AdmissionRequest, options: CallOptions): Result<ValidationResponse>
  mutateAdmission(request: AdmissionRequest, options: CallOptions): Result<MutationResponse>
}

export interface InstalledPlugin {
  readonly id: string
  /** `info.version` of plugin.json; empty when unknown. */
  readonly version: string
  readonly client: PluginClient
}

/** All plugins at hand. `plugin` is asked per request: cheap, never waits. */
export interface PluginHost {
  /** `undefined`: no plugin of this id is installed. */
  plugin(pluginId: string): InstalledPlugin | undefined
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
