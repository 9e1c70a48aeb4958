import { join } from 'node:path'

import { Server, ServerCredentials, type ServerWritableStream, type UntypedHandleCall } from '@grpc/grpc-js'
import type { ExecutionContext } from 'ava'

import { openConnection, type Connection, type ConnectionOptions } from '../../../src/plugins/grpc/connection.ts'
import { temporaryDirectory } from '../_setup.ts'

const paths = {
  queryData: '/pluginv2.Data/QueryData',
  /** The same to a caller, who cannot see how the plugin declared it. */
  queryDataAsStream: '/pluginv2.Data/QueryData',
  queryChunkedData: '/pluginv2.Data/QueryChunkedData',
  callResource: '/pluginv2.Resource/CallResource',
  checkHealth: '/pluginv2.Diagnostics/CheckHealth',
  collectMetrics: '/pluginv2.Diagnostics/CollectMetrics',
  subscribeStream: '/pluginv2.Stream/SubscribeStream',
  runStream: '/pluginv2.Stream/RunStream',
  publishStream: '/pluginv2.Stream/PublishStream',
  validateAdmission: '/pluginv2.AdmissionControl/ValidateAdmission',
  mutateAdmission: '/pluginv2.AdmissionControl/MutateAdmission',
  convertObjects: '/pluginv2.ResourceConversion/ConvertObjects',
  check: '/grpc.health.v1.Health/Check',
  shutdown: '/plugin.GRPCController/Shutdown',
  streamStdio: '/plugin.GRPCStdio/StreamStdio',
}

export type Rpc = keyof typeof paths

const streamed: ReadonlyArray<Rpc> = [
  'queryDataAsStream',
  'queryChunkedData',
  'callResource',
  'runStream',
  'streamStdio',
]

export type Handlers = Partial<Record<Rpc, UntypedHandleCall>>

/** What a handler of a streamed rpc is given. */
export type StreamCall = ServerWritableStream<Buffer, Buffer>

/** A unary or streamed rpc as raw bytes, so that a test may answer anything. */
const rawMethod = (name: Rpc) => ({
  path: paths[name],
  requestStream: false,
  responseStream: streamed.includes(name),
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
})

/** Answers with the same bytes each time. */
export const replies =
  (bytes: Buffer): UntypedHandleCall =>
  (_call: unknown, callback: (error: null, bytes: Buffer) => void) => {
    callback(null, bytes)
  }

/** Writes these messages and ends well. */
export const streams =
  (...messages: ReadonlyArray<Buffer>): UntypedHandleCall =>
  (call: StreamCall) => {
    for (const message of messages) call.write(message)
    call.end()
  }

/** Takes up to 64 KiB both ways, and counts nothing. */
export const connect = (t: ExecutionContext, target: string, options: Partial<ConnectionOptions> = {}): Connection => {
  const connection = openConnection(target, {
    pluginId: 'testds',
    receiveLimitBytes: 64 * 1024,
    sendLimitBytes: 64 * 1024,
    maxFrames: 100,
    frameFormat: 'arrow',
    budget: { hasRoom: () => true, hold: () => true },
    onUnavailable: () => undefined,
    ...options,
  })
  t.teardown(() => {
    connection.close()
  })
  return connection
}

/** A plugin that takes requests up to 16 KiB, on a Unix socket or, with `127.0.0.1:0`, on TCP. Gives what to connect to. */
export const listen = async (
  t: ExecutionContext,
  handlers: Handlers,
  credentials = ServerCredentials.createInsecure(),
  address = `unix:${join(temporaryDirectory(t), 's')}`,
): Promise<{ readonly server: Server; readonly target: string }> => {
  const server = new Server({ 'grpc.max_receive_message_length': 16 * 1024 })
  for (const [key, handler] of Object.entries(handlers)) {
    const name = key as Rpc
    server.addService({ [name]: rawMethod(name) }, { [name]: handler })
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  t.teardown(() => {
    server.forceShutdown()
  })
  return { server, target: address.startsWith('unix:') ? address : `ipv4:127.0.0.1:${String(port)}` }
}

export const serve = async (t: ExecutionContext, handlers: Handlers, options?: Partial<ConnectionOptions>) => {
  const { server, target } = await listen(t, handlers)
  return { connection: connect(t, target, options), server }
}
