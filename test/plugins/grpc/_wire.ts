import { fileURLToPath } from 'node:url'

import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader'

/** The published messages, read without the code under test: how the other side encodes and decodes. */
export const definitionsForTests = (): ((name: string) => MessageTypeDefinition<object, object>) => {
  const definitions = loadSync(['pluginv2.proto', 'go-plugin.proto', 'rpc-status.proto'], {
    keepCase: true,
    longs: Number,
    arrays: true,
    objects: true,
    includeDirs: [fileURLToPath(new URL('../../../proto', import.meta.url))],
  })
  return (name) => {
    const definition = definitions[name]
    if (definition === undefined || !('deserialize' in definition)) throw new Error(`no message ${name}`)
    return definition as MessageTypeDefinition<object, object>
  }
}
