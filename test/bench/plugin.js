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

const rows = Array.from({ length: 20 }, (_, index) => index)
const frame = encodeFrame({
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

const { GF_PLUGIN_FRAME_BYTES: frameBytes } = process.env
const frames = [frameBytes === undefined ? frame : Buffer.alloc(Number(frameBytes))]

const answers = new Map([
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
