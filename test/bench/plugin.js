// A go-plugin process that answers every query with the same small frame, or so many bytes as its setting
// says, as fast as Node can: HTTP/2 and ready bytes, no gRPC
// library, so that what is measured is the caller.
import { createServer } from 'node:http2'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { loadSync } from '@grpc/proto-loader'

import { encodeFrame } from '../../examples/plugins/testdata/frames.js'

const definitions = loadSync(['pluginv2.proto', 'health.proto', 'go-plugin.proto'], {
  keepCase: true,
  includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
})

/** A gRPC message on the wire: one byte for "not compressed", four for its length. */
const message = (name, value) => {
  const bytes = definitions[name].serialize(value)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

const frameOf = (length) => {
  const rows = Array.from({ length }, (_, index) => index)
  return encodeFrame({
    refId: 'A',
    columns: [
      {
        name: 'time',
        type: 'time',
        values: BigInt64Array.from(rows, (row) => BigInt(1700000000 + row * 60) * 1_000_000_000n),
      },
      { name: 'value', type: 'float64', values: Float64Array.from(rows, (row) => row * 1.25) },
    ],
  })
}

const { GF_PLUGIN_FRAME_BYTES: frameBytes, GF_PLUGIN_ROWS: rows = '20' } = process.env
const frames = [frameBytes === undefined ? frameOf(Number(rows)) : Buffer.alloc(Number(frameBytes))]

/** The same rows, 20 chunks of them. */
const chunks = Buffer.concat(
  Array.from({ length: 20 }, (_, index) =>
    message('pluginv2.QueryChunkedDataResponse', {
      refId: 'A',
      frameId: String(index),
      frame: frameOf(Number(rows) / 20),
      status: 200,
    }),
  ),
)

/** One event of a stream, and how many of them come every 10 ms. */
const event = message('pluginv2.StreamPacket', { data: Buffer.from(JSON.stringify({ text: 'x'.repeat(290) })) })
const eventsPerTick = 4

/** 1 MB in 16 messages. */
const resource = Buffer.concat(
  Array.from({ length: 16 }, (_, index) =>
    message('pluginv2.CallResourceResponse', {
      ...(index === 0 ? { code: 200, headers: { 'Content-Type': { values: ['application/octet-stream'] } } } : {}),
      body: Buffer.alloc(65_536, 'x'),
    }),
  ),
)

const answers = new Map([
  ['/pluginv2.Resource/CallResource', resource],
  ['/pluginv2.Data/QueryChunkedData', chunks],
  ['/pluginv2.Stream/SubscribeStream', message('pluginv2.SubscribeStreamResponse', {})],
  ['/pluginv2.Data/QueryData', message('pluginv2.QueryDataResponse', { responses: { A: { frames, status: 200 } } })],
  ['/grpc.health.v1.Health/Check', message('grpc.health.v1.HealthCheckResponse', { status: 1 })],
  ['/plugin.GRPCController/Shutdown', message('plugin.Empty', {})],
])
const head = { ':status': 200, 'content-type': 'application/grpc' }
const unimplemented = 12

const socket = join(process.env.PLUGIN_UNIX_SOCKET_DIR ?? '', `plugin${String(process.pid)}`)

const server = createServer()
server.on('stream', (stream, { ':path': path }) => {
  const answer = answers.get(path)
  stream.on('error', () => undefined)
  stream.on('end', () => {
    if (path === '/pluginv2.Stream/RunStream') {
      stream.respond(head)
      const timer = setInterval(() => stream.write(Buffer.concat(Array(eventsPerTick).fill(event))), 10)
      stream.on('close', () => clearInterval(timer))
      return
    }
    if (answer === undefined) {
      stream.respond({ ...head, 'grpc-status': unimplemented }, { endStream: true })
      return
    }
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': 0 }))
    stream.respond(head, { waitForTrailers: true })
    stream.end(answer)
    if (path === '/plugin.GRPCController/Shutdown') stream.on('close', () => process.exit())
  })
  stream.resume()
})
process.on('SIGINT', () => undefined)
server.listen(socket, () => process.stdout.write(`1|2|unix|${socket}|grpc|\n`))
