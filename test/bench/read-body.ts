import type { IncomingMessage } from 'node:http'

/** Reads a JSON body with nothing but node:http. */
export const readBody = (request: IncomingMessage, take: (body: unknown) => void): void => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    take(JSON.parse(Buffer.concat(chunks).toString()))
  })
}
