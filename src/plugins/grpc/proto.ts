import { fileURLToPath } from 'node:url'

import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader'

import type { CheckHealthRequest, CollectMetricsRequest, StreamRequest } from '../../plugin.ts'
import type {
  Empty,
  WireAdmissionRequest,
  WireCallResourceRequest,
  WireCallResourceResponse,
  WireConversionRequest,
  WireConversionResponse,
  WireErrorInfo,
  WireHealthResponse,
  WireMetricsResponse,
  WireMutationResponse,
  WireQueryDataChunk,
  WireQueryDataRequest,
  WireQueryDataResponse,
  WireRpcStatus,
  WireServing,
  WireStdioData,
  WireStreamPacket,
  WireStreamResponse,
  WireValidationResponse,
} from './messages.ts'

/** One rpc: its path on the wire and the two codecs that the caller needs. */
export interface Method<Request, Response> {
  readonly path: string
  /** Throws for what is no such message. */
  readonly serialize: (request: Request) => Buffer
  /** Throws on bytes that are no such message. */
  readonly deserialize: (bytes: Buffer) => Response
}

/** All of the protocols that is in use. */
export interface Protocol {
  readonly queryData: Method<WireQueryDataRequest, WireQueryDataResponse>
  readonly queryChunkedData: Method<WireQueryDataRequest, WireQueryDataChunk>
  readonly callResource: Method<WireCallResourceRequest, WireCallResourceResponse>
  readonly checkHealth: Method<CheckHealthRequest, WireHealthResponse>
  readonly collectMetrics: Method<CollectMetricsRequest, WireMetricsResponse>
  readonly subscribeStream: Method<StreamRequest, WireStreamResponse>
  readonly runStream: Method<StreamRequest, WireStreamPacket>
  readonly publishStream: Method<StreamRequest, WireStreamResponse>
  readonly validateAdmission: Method<WireAdmissionRequest, WireValidationResponse>
  readonly mutateAdmission: Method<WireAdmissionRequest, WireMutationResponse>
  readonly convertObjects: Method<WireConversionRequest, WireConversionResponse>
  readonly serving: Method<{ readonly service: string }, WireServing>
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
  const method = <Request extends object, Response>(path: string, request: string, response: string) => {
    const serialize: (message: Request) => Buffer = messageOf(definitions, request).serialize
    return { path, serialize, deserialize: decoder<Response>(response) }
  }
  /** Of pluginv2, whose messages are named after their rpc. */
  const rpc = <Request extends object, Response>(
    service: string,
    name: string,
    request = `pluginv2.${name}Request`,
    response = `pluginv2.${name}Response`,
  ) => method<Request, Response>(`/pluginv2.${service}/${name}`, request, response)
  const admission = 'pluginv2.AdmissionRequest'
  return {
    queryData: rpc('Data', 'QueryData', undefined, 'entries.QueryDataResponse'),
    queryChunkedData: rpc('Data', 'QueryChunkedData'),
    callResource: rpc('Resource', 'CallResource', undefined, 'entries.CallResourceResponse'),
    checkHealth: rpc('Diagnostics', 'CheckHealth'),
    collectMetrics: rpc('Diagnostics', 'CollectMetrics'),
    subscribeStream: rpc('Stream', 'SubscribeStream'),
    runStream: rpc('Stream', 'RunStream', undefined, 'pluginv2.StreamPacket'),
    publishStream: rpc('Stream', 'PublishStream'),
    validateAdmission: rpc('AdmissionControl', 'ValidateAdmission', admission, 'pluginv2.ValidationResponse'),
    mutateAdmission: rpc('AdmissionControl', 'MutateAdmission', admission, 'pluginv2.MutationResponse'),
    convertObjects: rpc(
      'ResourceConversion',
      'ConvertObjects',
      'pluginv2.ConversionRequest',
      'pluginv2.ConversionResponse',
    ),
    serving: method(
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
