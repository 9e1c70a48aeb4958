import { fileURLToPath } from 'node:url'

import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader'

import type { AdmissionRequest, QueryDataRequest } from '../../plugin.ts'

/** One rpc: its path on the wire and the two codecs that the caller needs. */
export interface Method<Request, Response> {
  readonly path: string
  readonly serialize: (request: Request) => Buffer
  /** Throws on bytes that are no such message. */
  readonly deserialize: (bytes: Buffer) => Response
}

/** Messages as protobufjs gives them: what was not set is absent, lists and maps are always there. */
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

export interface WireStatusResult {
  readonly status?: string
  readonly message?: string
  readonly reason?: string
  readonly code?: number
}

export interface WireValidationResponse {
  readonly allowed?: boolean
  readonly result?: WireStatusResult
  readonly warnings: ReadonlyArray<string>
}

export interface WireMutationResponse extends WireValidationResponse {
  readonly object_bytes?: Uint8Array
}

export interface WireQueryDataRequest extends QueryDataRequest {
  readonly format: 'ARROW' | 'JSON'
}

export interface WireAdmissionRequest extends Pick<AdmissionRequest, 'pluginContext' | 'operation' | 'kind'> {
  readonly object_bytes: Uint8Array
  readonly old_object_bytes: Uint8Array
}

export type Empty = Readonly<Record<string, never>>

/** `channel`: 1 stdout, 2 stderr. */
export interface WireStdioData {
  readonly channel?: number
  readonly data?: Buffer
}

/** `status`: 1 is SERVING. */
export interface WireHealth {
  readonly status?: number
}

interface WireRpcStatus {
  readonly details: ReadonlyArray<{ readonly type_url?: string; readonly value?: Buffer }>
}

interface WireErrorInfo {
  readonly metadata: Readonly<Record<string, string>>
}

/** All of the protocols that is in use. */
export interface Protocol {
  readonly queryData: Method<WireQueryDataRequest, WireQueryDataResponse>
  readonly validateAdmission: Method<WireAdmissionRequest, WireValidationResponse>
  readonly mutateAdmission: Method<WireAdmissionRequest, WireMutationResponse>
  readonly healthCheck: Method<{ readonly service: string }, WireHealth>
  readonly shutdown: Method<Empty, Empty>
  readonly streamStdio: Method<Empty, WireStdioData>
  readonly rpcStatus: (bytes: Buffer) => WireRpcStatus
  readonly errorInfo: (bytes: Buffer) => WireErrorInfo
}

const files = ['pluginv2.proto', 'go-plugin.proto', 'health.proto', 'rpc-status.proto', 'entries.proto']

const messageOf = (definitions: PackageDefinition, name: string): MessageTypeDefinition<object, object> =>
  definitions[name] as MessageTypeDefinition<object, object>

const loadProtocol = (): Protocol => {
  const definitions = loadSync(files, {
    // the protocol mixes camelCase and snake_case: take its names as they are
    keepCase: true,
    longs: Number,
    arrays: true,
    objects: true,
    // the depth is the same from src/plugins/grpc and from dist/plugins/grpc
    includeDirs: [fileURLToPath(new URL('../../../proto', import.meta.url))],
  })
  const decoder = <Message>(name: string): ((bytes: Buffer) => Message) => {
    const { deserialize } = messageOf(definitions, name)
    return (bytes) => deserialize(bytes) as Message
  }
  const method = <Request extends object, Response>(path: string, request: string, response: string) => ({
    path,
    serialize: (message: Request): Buffer => messageOf(definitions, request).serialize(message),
    deserialize: decoder<Response>(response),
  })
  return {
    queryData: method('/pluginv2.Data/QueryData', 'pluginv2.QueryDataRequest', 'entries.QueryDataResponse'),
    validateAdmission: method(
      '/pluginv2.AdmissionControl/ValidateAdmission',
      'pluginv2.AdmissionRequest',
      'pluginv2.ValidationResponse',
    ),
    mutateAdmission: method(
      '/pluginv2.AdmissionControl/MutateAdmission',
      'pluginv2.AdmissionRequest',
      'pluginv2.MutationResponse',
    ),
    healthCheck: method(
      '/grpc.health.v1.Health/Check',
      'grpc.health.v1.HealthCheckRequest',
      'grpc.health.v1.HealthCheckResponse',
    ),
    shutdown: method('/plugin.GRPCController/Shutdown', 'plugin.Empty', 'plugin.Empty'),
    streamStdio: method('/plugin.GRPCStdio/StreamStdio', 'google.protobuf.Empty', 'plugin.StdioData'),
    rpcStatus: decoder('google.rpc.Status'),
    errorInfo: decoder('google.rpc.ErrorInfo'),
  }
}

let loaded: Protocol | undefined

/** The protocols, read from `proto/` at first use (some 30 ms), so that nobody pays who runs no process. */
export const protocol = (): Protocol => (loaded ??= loadProtocol())
