import type { AdmissionRequest, CallResourceRequest, ConversionRequest, QueryDataRequest } from '../../plugin.ts'

/** Messages as protobufjs gives and takes them: what was not set is absent, lists and maps are always there. */
export interface WireDataResponse {
  readonly frames: ReadonlyArray<Uint8Array>
  readonly error?: string
  readonly status?: number
  readonly errorSource?: string
  readonly format?: number
}

export interface WireQueryDataResponse {
  readonly responses: ReadonlyArray<{ readonly key?: string; readonly value?: WireDataResponse }>
}

export interface WireQueryDataRequest extends QueryDataRequest {
  readonly format: 'ARROW' | 'JSON'
}

export interface WireQueryDataChunk {
  readonly refId?: string
  readonly frameId?: string
  readonly frame?: Uint8Array
  readonly error?: string
  readonly status?: number
  readonly errorSource?: string
  readonly format?: number
}

export interface WireCallResourceRequest extends Omit<CallResourceRequest, 'headers'> {
  readonly headers: Readonly<Record<string, { readonly values: ReadonlyArray<string> }>>
}

export interface WireCallResourceResponse {
  readonly code?: number
  readonly headers: ReadonlyArray<{
    readonly key?: string
    readonly value?: { readonly values: ReadonlyArray<string> }
  }>
  readonly body?: Uint8Array
}

/** `status`: 1 OK, 2 ERROR. */
export interface WireHealthResponse {
  readonly status?: number
  readonly message?: string
  readonly jsonDetails?: Uint8Array
}

export interface WireMetricsResponse {
  readonly metrics?: { readonly prometheus?: Uint8Array }
}

/** `status`: 0 OK, 1 NOT_FOUND, 2 PERMISSION_DENIED. */
export interface WireStreamResponse {
  readonly status?: number
  readonly data?: Uint8Array
}

export interface WireStreamPacket {
  readonly data?: Uint8Array
}

export interface WireStatusResult {
  readonly status?: string
  readonly message?: string
  readonly reason?: string
  readonly code?: number
}

export interface WireAdmissionRequest extends Pick<AdmissionRequest, 'pluginContext' | 'operation' | 'kind'> {
  readonly object_bytes: Uint8Array
  readonly old_object_bytes: Uint8Array
}

export interface WireValidationResponse {
  readonly allowed?: boolean
  readonly result?: WireStatusResult
  readonly warnings: ReadonlyArray<string>
}

export interface WireMutationResponse extends WireValidationResponse {
  readonly object_bytes?: Uint8Array
}

export interface WireRawObject {
  readonly raw?: Uint8Array
  readonly content_type?: string
}

export interface WireConversionRequest extends Pick<ConversionRequest, 'pluginContext' | 'uid'> {
  readonly objects: ReadonlyArray<WireRawObject>
  readonly target_version: ConversionRequest['targetVersion']
}

export interface WireConversionResponse {
  readonly uid?: string
  readonly result?: WireStatusResult
  readonly objects: ReadonlyArray<WireRawObject>
}

export type Empty = Readonly<Record<string, never>>

/** `channel`: 1 stdout, 2 stderr. */
export interface WireStdioData {
  readonly channel?: number
  readonly data?: Buffer
}

/** `status`: 1 is SERVING. */
export interface WireServing {
  readonly status?: number
}

export interface WireRpcStatus {
  readonly details: ReadonlyArray<{ readonly type_url?: string; readonly value?: Buffer }>
}

export interface WireErrorInfo {
  readonly metadata: Readonly<Record<string, string>>
}
