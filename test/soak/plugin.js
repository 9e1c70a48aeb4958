// The least that is a go-plugin process: Node's own HTTP/2 and bytes written out, so that it starts as fast as Node does. It is
// healthy, and a query ends it without an answer.
import { createServer } from 'node:http2'
import { join } from 'node:path'

/** A gRPC message: one byte for "not compressed", four for its length, then HealthCheckResponse{status: SERVING}. */
const serving = Buffer.from([0, 0, 0, 0, 2, 8, 1])
const answers = new Map([
  ['/grpc.health.v1.Health/Check', serving],
  ['/plugin.GRPCController/Shutdown', Buffer.alloc(5)],
])
const head = { ':status': 200, 'content-type': 'application/grpc' }
const unimplemented = 12

const socket = join(process.env.PLUGIN_UNIX_SOCKET_DIR ?? '', `plugin${String(process.pid)}`)

createServer()
  .on('stream', (stream, { ':path': path }) => {
    if (path === '/pluginv2.Data/QueryData') process.exit(7)
    const answer = answers.get(path)
    stream.on('error', () => undefined)
    if (answer === undefined) {
      stream.respond({ ...head, 'grpc-status': unimplemented }, { endStream: true })
      return
    }
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': 0 }))
    stream.respond(head, { waitForTrailers: true })
    stream.end(answer)
    if (path === '/plugin.GRPCController/Shutdown') stream.on('close', () => process.exit())
  })
  .listen(socket, () => process.stdout.write(`1|2|unix|${socket}|grpc|\n`))
