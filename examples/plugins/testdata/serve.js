import { randomInt } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import { serviceDefinition } from './protocol.js'

/**
 * @typedef {object} PluginOptions
 * @property {{ key: string, value: string }} cookie the environment variable by which a host shows that it is one
 * @property {number} protocolVersion version of the services, the second field of the handshake
 * @property {number} receiveLimitBytes
 * @property {Record<string, import('@grpc/grpc-js').UntypedServiceImplementation>} services by full name
 * @property {import('./log.js').Logger} log
 */

const coreProtocolVersion = 1

/** What fits into `sun_path`. Node binds a longer path cut short, without an error. */
const socketPathLimitBytes = process.platform === 'darwin' ? 103 : 107

const notStartedByHand = `This is a plugin. It cannot be run by itself.
A plugin host starts it, passes the magic cookie and speaks gRPC with it.
Put its folder where your host looks for plugins.
`

/** The process's health, not the data source's; go-plugin hosts ask for the service `plugin`. */
const healthService = {
  Check: /** @type {import('@grpc/grpc-js').handleUnaryCall<any, any>} */ (
    ({ request }, callback) =>
      ['', 'plugin'].includes(request.service)
        ? callback(null, { status: 'SERVING' })
        : callback({ code: status.NOT_FOUND, details: 'unknown service' })
  ),
}

/**
 * What go-plugin serves beside the plugin's own services. Shutdown is Go's Stop(): it cuts every connection, its own
 * reply included. The stdio stream stays open and silent, since nothing here writes to stdout after the handshake.
 *
 * @param {Server} server
 */
const goPluginServices = (server) => ({
  'grpc.health.v1.Health': healthService,
  'plugin.GRPCController': { Shutdown: () => server.forceShutdown() },
  'plugin.GRPCStdio': { StreamStdio: () => {} },
})

/**
 * Runs this process as a go-plugin plugin: checks the cookie, listens on a unix socket of its own, tells the host where
 * with the handshake line. After Shutdown nothing keeps the process alive and it ends with code 0. Source: server.go of
 * hashicorp/go-plugin.
 *
 * @param {PluginOptions} options
 */
export const serve = ({ cookie, protocolVersion, receiveLimitBytes, services, log }) => {
  if (process.env[cookie.key] !== cookie.value) {
    process.stderr.write(notStartedByHand)
    process.exitCode = 1
    return
  }

  const server = new Server({ 'grpc.max_receive_message_length': receiveLimitBytes })
  for (const [name, implementation] of Object.entries({ ...goPluginServices(server), ...services })) {
    server.addService(serviceDefinition(name), implementation)
  }

  // Ctrl-C in a terminal reaches the whole process group; when the plugin ends is the host's decision.
  process.on('SIGINT', () => log.trace('interrupt ignored'))

  /** @param {string} reason */
  const giveUp = (reason) => {
    log.error('plugin init error', { error: reason })
    process.exitCode = 1
  }

  const socket = join(process.env.PLUGIN_UNIX_SOCKET_DIR || tmpdir(), `plugin${randomInt(2 ** 32)}`)
  if (Buffer.byteLength(socket) > socketPathLimitBytes) {
    giveUp(`expected a socket path of at most ${socketPathLimitBytes} bytes, got "${socket}"`)
    return
  }
  server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => {
    if (error !== null) {
      giveUp(error.message)
      return
    }
    // Multiplexing needs yamux, which Node lacks: a host that asks for it is told so in field 7.
    const multiplexing = process.env.PLUGIN_MULTIPLEX_GRPC ? '|false' : ''
    process.stdout.write(`${coreProtocolVersion}|${protocolVersion}|unix|${socket}|grpc|${multiplexing}\n`)
  })
}
