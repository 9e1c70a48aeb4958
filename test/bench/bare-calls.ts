import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { Client, credentials, Metadata } from '@grpc/grpc-js'
import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader'
import type { PluginContext, QueryDataRequest } from 'dataplane-aggregator'
import type { Express } from 'express'

import { pluginFile } from './plugin-directory.ts'
import { readBody } from './read-body.ts'

/**
 * What the calls cost without this library: nothing but grpc-js with the same messages and the same channel options, and for a query
 * JSON.parse and an answer that was ready before.
 */

const rows = Array.from({ length: 20 }, (_, index) => index)
const answer = Buffer.from(
  JSON.stringify({
    results: {
      A: {
        status: 200,
        frames: [
          {
            schema: {
              refId: 'A',
              fields: [
                { name: 'time', type: 'time', typeInfo: { frame: 'time.Time' } },
                { name: 'value', type: 'number', typeInfo: { frame: 'float64' } },
              ],
            },
            data: { values: [rows.map((row) => (1700000000 + row * 60) * 1000), rows.map((row) => row * 1.25)] },
          },
        ],
      },
    },
  }),
)

export const pluginContext: PluginContext = {
  orgId: 1,
  pluginId: 'bench',
  dataSourceInstanceSettings: {
    id: 123_456_789_012_345,
    uid: 'b1',
    name: 'b1',
    url: '',
    user: '',
    database: '',
    basicAuthEnabled: false,
    basicAuthUser: '',
    jsonData: Buffer.from('{}'),
    decryptedSecureJsonData: {},
    lastUpdatedMS: 1_700_000_000_000,
  },
  grafanaConfig: {
    GF_SQL_MAX_CONN_LIFETIME_SECONDS_DEFAULT: '14400',
    GF_SQL_MAX_IDLE_CONNS_DEFAULT: '100',
    GF_SQL_MAX_OPEN_CONNS_DEFAULT: '100',
  },
  pluginVersion: '1.0.0',
  userAgent: 'Grafana/12.4.0 (linux; amd64)',
  apiVersion: 'v1',
  namespace: 'default',
}

interface Query {
  readonly refId: string
  readonly maxDataPoints: number
  readonly intervalMs: number
}

interface Body {
  readonly from: string
  readonly to: string
  readonly queries: ReadonlyArray<Query>
}

const toMessage = ({ from, to, queries }: Body): QueryDataRequest => ({
  pluginContext,
  headers: {},
  queries: queries.map((query) => ({
    refId: query.refId,
    queryType: '',
    maxDataPoints: query.maxDataPoints,
    intervalMS: query.intervalMs,
    timeRange: { fromEpochMS: Number(from), toEpochMS: Number(to) },
    json: Buffer.from(JSON.stringify(query)),
  })),
})

/** Shape of a handshake line: `1|2|unix|/tmp/plugin123|grpc|`. */
const startPlugin = async (socketDirectory: string): Promise<string> => {
  const plugin = spawn(process.execPath, [pluginFile], {
    env: { PLUGIN_UNIX_SOCKET_DIR: socketDirectory },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  process.on('exit', () => plugin.kill('SIGKILL'))
  const [line] = (await once(createInterface(plugin.stdout), 'line')) as [string]
  return `unix:${line.split('|')[3] ?? ''}`
}

/** A client of grpc-js alone on a plugin process of its own, which ends with this one. */
const openBareClient = async (socketDirectory: string): Promise<{ client: Client; definitions: PackageDefinition }> => {
  const definitions = loadSync('pluginv2.proto', {
    keepCase: true,
    longs: Number,
    arrays: true,
    objects: true,
    includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
  })
  const client = new Client(await startPlugin(socketDirectory), credentials.createInsecure(), {
    'grpc.max_receive_message_length': 64 * 1024 * 1024,
    'grpc.max_send_message_length': -1,
    'grpc.enable_retries': 0,
    'grpc-node.flow_control_window': 1024 * 1024,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_channelz': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.default_authority': 'localhost',
    'grpc.service_config_disable_resolution': 1,
  })
  return { client, definitions }
}

/** QueryData. */
export const openBareQuery = async (
  socketDirectory: string,
): Promise<(request: QueryDataRequest, answered: (error: Error | null) => void) => void> => {
  const { client, definitions } = await openBareClient(socketDirectory)
  const { serialize } = definitions['pluginv2.QueryDataRequest'] as MessageTypeDefinition<object, object>
  const { deserialize } = definitions['pluginv2.QueryDataResponse'] as MessageTypeDefinition<object, object>
  return (request, answered) => {
    const deadline = Date.now() + 60_000
    const message = { ...request, format: 'ARROW' }
    const path = '/pluginv2.Data/QueryData'
    client.makeUnaryRequest(path, serialize, deserialize, message, new Metadata(), { deadline }, answered)
  }
}

/** CallResource, each message written as it comes. */
export const mountBareResource = async (app: Express, socketDirectory: string): Promise<void> => {
  const { client, definitions } = await openBareClient(socketDirectory)
  const { serialize } = definitions['pluginv2.CallResourceRequest'] as MessageTypeDefinition<object, object>
  const { deserialize } = definitions['pluginv2.CallResourceResponse'] as MessageTypeDefinition<
    object,
    { readonly body: Buffer }
  >
  app.use((_incoming, outgoing) => {
    const message = { pluginContext, path: 'large', method: 'GET', url: 'large', headers: {}, body: Buffer.alloc(0) }
    const path = '/pluginv2.Resource/CallResource'
    const deadline = Date.now() + 60_000
    const call = client.makeServerStreamRequest(path, serialize, deserialize, message, new Metadata(), { deadline })
    outgoing.setHeader('content-type', 'application/octet-stream')
    call.on('data', ({ body }: { readonly body: Buffer }) => {
      if (outgoing.write(body)) return
      call.pause()
      outgoing.once('drain', () => call.resume())
    })
    call.on('error', () => outgoing.destroy())
    call.on('end', () => outgoing.end())
  })
}

export const mountBareQuery = async (app: Express, socketDirectory: string): Promise<void> => {
  const queryData = await openBareQuery(socketDirectory)
  app.use((incoming, outgoing) => {
    readBody(incoming, (body) => {
      queryData(toMessage(body as Body), (error) => {
        outgoing.statusCode = error === null ? 200 : 500
        outgoing.setHeader('content-type', 'application/json')
        outgoing.end(error === null ? answer : error.message)
      })
    })
  })
}

/** RunStream, once; what comes in one turn of the loop is written to each reader at once. */
export const mountBareStream = async (app: Express, socketDirectory: string): Promise<void> => {
  const { client, definitions } = await openBareClient(socketDirectory)
  const { serialize } = definitions['pluginv2.RunStreamRequest'] as MessageTypeDefinition<object, object>
  const { deserialize } = definitions['pluginv2.StreamPacket'] as MessageTypeDefinition<
    object,
    { readonly data: Buffer }
  >
  const readers = new Set<ServerResponse>()
  let batch: Buffer[] = []
  const flush = (): void => {
    const chunk = Buffer.concat(batch)
    batch = []
    for (const reader of readers) reader.write(chunk)
  }
  const message = { pluginContext, path: 'x', data: Buffer.alloc(0), headers: {} }
  client
    .makeServerStreamRequest('/pluginv2.Stream/RunStream', serialize, deserialize, message, new Metadata())
    .on('data', ({ data }: { readonly data: Buffer }) => {
      if (batch.length === 0) setImmediate(flush)
      batch.push(Buffer.from(`data: ${data.toString()}\n\n`))
    })
    .on('error', () => undefined)
  app.use((_incoming, outgoing) => {
    outgoing.setHeader('content-type', 'text/event-stream')
    outgoing.flushHeaders()
    readers.add(outgoing)
    outgoing.on('close', () => readers.delete(outgoing))
  })
}
