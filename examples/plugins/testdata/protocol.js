import { fileURLToPath } from 'node:url'
import { status } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

const files = ['pluginv2.proto', 'go-plugin.proto', 'health.proto'].map((name) =>
  fileURLToPath(new URL(`../../../proto/${name}`, import.meta.url)),
)

const definitions = loadSync(files, { keepCase: true, longs: Number, enums: String, defaults: true })

/**
 * The definition of a service by its full name, e.g. `pluginv2.Data`.
 *
 * @param {string} name
 */
export const serviceDefinition = (name) => {
  const definition = definitions[name]
  if (definition === undefined) throw new Error(`expected a service "${name}" in the proto files, found none`)
  return /** @type {import('@grpc/proto-loader').ServiceDefinition} */ (definition)
}

/**
 * A gRPC handler out of a function. The signal is aborted when the caller cancels, leaves or runs out of time; whatever
 * the function throws fails the call with UNKNOWN, as grpc-go does.
 *
 * @param {(request: any, signal: AbortSignal) => unknown} answer
 * @returns {import('@grpc/grpc-js').handleUnaryCall<any, any>}
 */
export const unary = (answer) => async (call, callback) => {
  const gone = new AbortController()
  call.on('cancelled', () => gone.abort())
  try {
    callback(null, await answer(call.request, gone.signal))
  } catch (error) {
    callback({ code: status.UNKNOWN, details: error instanceof Error ? error.message : String(error) })
  }
}
