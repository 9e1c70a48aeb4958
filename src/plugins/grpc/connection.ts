import { Client, credentials, status, type ClientReadableStream } from '@grpc/grpc-js'

import { unexpected, type AggregatorError, type Result } from '../../errors.ts'
import { E, pipe } from '../../fp.ts'
import type { CallOptions, PluginClient } from '../../plugin.ts'
import { takeInTurns } from '../turns.ts'
import { callUnary, type OpenCalls } from './call.ts'
import { fromWireMutation, fromWireQuery, fromWireValidation, toWireAdmission, toWireQuery } from './convert.ts'
import { protocol, type Method, type WireStdioData } from './proto.ts'
import { admissionResponse, isWithin, queryDataResponse, type Shape } from './scan.ts'
import { toAggregatorError } from './status.ts'

export interface ConnectionOptions {
  readonly pluginId: string
  readonly receiveLimitBytes: number
  /** Of one answer; it may have as many responses. */
  readonly maxFrames: number
  /** Hears of each call that found nobody to answer it. */
  readonly onUnavailable: () => void
}

/** The one gRPC channel to one plugin process. */
export interface Connection {
  readonly client: PluginClient
  /** go-plugin's own check, which says that the process serves, not that the plugin is well. Undefined: it does. */
  checkHealth(options: CallOptions): Promise<string | undefined>
  /**
   * Takes what the plugin prints once it serves; unread, it blocks whoever prints. `onLost` hears when the stream broke; not
   * when the plugin ended it or does not have it.
   */
  readStdio(onData: (channel: 'stdout' | 'stderr', data: Buffer) => void, onLost: () => void): void
  /** Asks the process to end. A plugin does so without answering: every outcome is as good as the next. */
  shutdown(timeoutMs: number): Promise<void>
  /** Ends running calls with PluginUnavailable. */
  endCalls(): void
  /** Ends running calls and lets the socket go. */
  close(): void
}

const channelOptions = (receiveLimitBytes: number) => ({
  'grpc.max_receive_message_length': receiveLimitBytes,
  'grpc.max_send_message_length': -1,
  // a retried call would reach the plugin twice
  'grpc.enable_retries': 0,
  // the default of 64 KiB throttles large answers
  'grpc-node.flow_control_window': 1024 * 1024,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_channelz': 0,
  // would send even 127.0.0.1 through http_proxy
  'grpc.enable_http_proxy': 0,
  // strict HTTP/2 servers refuse a path as authority
  'grpc.default_authority': 'localhost',
  'grpc.service_config_disable_resolution': 1,
})

const never = new AbortController().signal

/** Warnings of one admission answer. A person reads them; kubectl prints them all. */
const maxWarnings = 1000

/** Left: what there is too much of, found before the answer is decoded. */
const limited = <Request, Response>(
  method: Method<Request, Response>,
  shape: Shape,
  limit: number,
  what: string,
): Method<Request, E.Either<string, Response>> => ({
  ...method,
  deserialize: (bytes) =>
    isWithin(limit, shape, bytes)
      ? E.right(method.deserialize(bytes))
      : E.left(`answered more than ${String(limit)} ${what}`),
})

/** Opens the channel lazily: nothing is connected before the first call. Shape of `target`: `unix:/run/plugin1` or `ipv4:127.0.0.1:10000`. */
export const openConnection = (target: string, options: ConnectionOptions): Connection => {
  const { pluginId, receiveLimitBytes, maxFrames, onUnavailable } = options
  const grpc = new Client(target, credentials.createInsecure(), channelOptions(receiveLimitBytes))
  const methods = protocol()
  const openCalls: OpenCalls = new Set()
  let stdio: ClientReadableStream<WireStdioData> | undefined

  const badPlugin = (what: string): AggregatorError => ({ _tag: 'BadPlugin', message: `plugin "${pluginId}" ${what}` })
  const call =
    <Request, WireRequest, WireResponse, Response>(
      name: string,
      method: Method<WireRequest, E.Either<string, WireResponse>>,
      toWire: (request: Request) => WireRequest,
      fromWire: (response: WireResponse) => Response,
    ) =>
    (request: Request, options: CallOptions): Result<Response> =>
    async (): Promise<E.Either<AggregatorError, Response>> => {
      try {
        const answer = await callUnary(grpc, method, toWire(request), options, openCalls)
        if (E.isRight(answer)) return pipe(answer.right, E.bimap(badPlugin, fromWire))
        const error = toAggregatorError(answer.left, { pluginId, call: name, receiveLimitBytes })
        if (error._tag === 'PluginUnavailable') onUnavailable()
        return E.left(error)
      } catch (cause) {
        return E.left(unexpected(cause))
      }
    }

  const framesOption = 'frames or responses (option plugins.maxFrames)'
  const queryData = limited(methods.queryData, queryDataResponse, maxFrames, framesOption)
  const validateAdmission = limited(methods.validateAdmission, admissionResponse, maxWarnings, 'warnings')
  const mutateAdmission = limited(methods.mutateAdmission, admissionResponse, maxWarnings, 'warnings')

  const endCalls = (): void => {
    for (const lose of [...openCalls]) lose()
  }

  return {
    client: {
      queryData: call('queryData', queryData, toWireQuery, fromWireQuery),
      validateAdmission: call('validateAdmission', validateAdmission, toWireAdmission, fromWireValidation),
      mutateAdmission: call('mutateAdmission', mutateAdmission, toWireAdmission, fromWireMutation),
    },
    checkHealth: async (options) => {
      const answer = await callUnary(grpc, methods.healthCheck, { service: 'plugin' }, options, openCalls)
      if (E.isRight(answer)) return answer.right.status === 1 ? undefined : 'it answers but says that it does not serve'
      const { code, details } = answer.left
      // a plugin that runs elsewhere for debugging serves pluginv2 alone
      const isServing = code === status.UNIMPLEMENTED && !details.startsWith('Received HTTP status code')
      return isServing ? undefined : details
    },
    readStdio: (onData, onLost) => {
      const stream: ClientReadableStream<WireStdioData> = grpc.makeServerStreamRequest(
        methods.streamStdio.path,
        methods.streamStdio.serialize,
        methods.streamStdio.deserialize,
        {},
      )
      stdio = stream
      stream.on('data', ({ channel, data }: WireStdioData) => {
        if (data === undefined) return
        takeInTurns(stream, data, (piece) => {
          onData(channel === 2 ? 'stderr' : 'stdout', piece)
        })
      })
      // the status tells the same, and comes always
      stream.on('error', () => undefined)
      stream.on('status', ({ code }) => {
        if (code !== status.OK && code !== status.UNIMPLEMENTED) onLost()
      })
    },
    shutdown: async (timeoutMs) => {
      await callUnary(grpc, methods.shutdown, {}, { signal: never, timeoutMs }, openCalls)
    },
    endCalls,
    close: () => {
      stdio?.cancel()
      endCalls()
      grpc.close()
    },
  }
}
