import { fileURLToPath } from 'node:url'

import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader'

import type { DataFrameFormat } from '../plugin.ts'
import type { ScriptedMessages } from './scripted-plugin-script.ts'

/** One rpc of pluginv2 as a plugin serves it. */
export interface ScriptedRpc<Message> {
  /** Shape: `Data/QueryData`. */
  readonly path: string
  /** Name of the message that it answers. */
  readonly response: string
  /** What it answers when nothing is said of it. */
  readonly usual: ReadonlyArray<Message>
  /** From the words of the port to those of the proto file, where they differ. */
  readonly toWire?: (message: Message) => object
}

const formats = { arrow: 'ARROW', json: 'JSON' } satisfies Record<DataFrameFormat, string>

const withFormat = ({ format, ...rest }: { readonly format?: DataFrameFormat }): object =>
  format === undefined ? rest : { ...rest, format: formats[format] }

const mapValues = <A, B>(record: Readonly<Record<string, A>>, f: (value: A) => B): Readonly<Record<string, B>> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value)]))

export const scriptedRpcs: { readonly [Call in keyof ScriptedMessages]: ScriptedRpc<ScriptedMessages[Call]> } = {
  queryData: {
    path: 'Data/QueryData',
    response: 'QueryDataResponse',
    usual: [{ responses: {} }],
    toWire: ({ responses }) => ({ responses: mapValues(responses, withFormat) }),
  },
  queryChunkedData: {
    path: 'Data/QueryChunkedData',
    response: 'QueryChunkedDataResponse',
    usual: [],
    toWire: withFormat,
  },
  callResource: {
    path: 'Resource/CallResource',
    response: 'CallResourceResponse',
    usual: [{ status: 200 }],
    toWire: ({ status, headers = {}, body }) => ({
      code: status,
      headers: mapValues(headers, (values) => ({ values })),
      body,
    }),
  },
  checkHealth: { path: 'Diagnostics/CheckHealth', response: 'CheckHealthResponse', usual: [{ status: 'OK' }] },
  collectMetrics: {
    path: 'Diagnostics/CollectMetrics',
    response: 'CollectMetricsResponse',
    usual: [{}],
    toWire: (metrics) => ({ metrics }),
  },
  subscribeStream: { path: 'Stream/SubscribeStream', response: 'SubscribeStreamResponse', usual: [{ status: 'OK' }] },
  runStream: { path: 'Stream/RunStream', response: 'StreamPacket', usual: [] },
  publishStream: { path: 'Stream/PublishStream', response: 'PublishStreamResponse', usual: [{ status: 'OK' }] },
  validateAdmission: {
    path: 'AdmissionControl/ValidateAdmission',
    response: 'ValidationResponse',
    usual: [{ allowed: true }],
  },
  mutateAdmission: {
    path: 'AdmissionControl/MutateAdmission',
    response: 'MutationResponse',
    usual: [{ allowed: true }],
    toWire: ({ objectBytes, ...rest }) => ({ ...rest, object_bytes: objectBytes }),
  },
  convertObjects: {
    path: 'ResourceConversion/ConvertObjects',
    response: 'ConversionResponse',
    usual: [{}],
    toWire: ({ objects = [], ...rest }) => ({
      ...rest,
      objects: objects.map(({ raw, contentType }) => ({ raw, content_type: contentType })),
    }),
  },
}

const loadDefinitions = (): PackageDefinition =>
  loadSync(['pluginv2.proto', 'rpc-status.proto'], {
    keepCase: true,
    includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
  })

let loaded: PackageDefinition | undefined

/** Protobuf of a message in the words of the published proto files. Shape of `name`: `pluginv2.StreamPacket`. */
export const encodeMessage = (name: string, message: object): Buffer => {
  loaded ??= loadDefinitions()
  return (loaded[name] as MessageTypeDefinition<object, object>).serialize(message)
}

/** `grpc-status-details-bin` as the plugin SDK makes it. */
export const encodeErrorSource = (errorSource: 'plugin' | 'downstream'): Buffer => {
  const value = encodeMessage('google.rpc.ErrorInfo', { metadata: { errorSource } })
  return encodeMessage('google.rpc.Status', {
    details: [{ type_url: 'type.googleapis.com/google.rpc.ErrorInfo', value }],
  })
}
