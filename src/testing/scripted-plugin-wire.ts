/**
 * gRPC by hand, on a stream of HTTP/2: a misbehaviour is made of bytes that a gRPC library would not send, and Node's own HTTP/2 is
 * there in 15 ms.
 */
import type { OutgoingHttpHeaders, ServerHttp2Stream as Stream } from 'node:http2'

const chunkBytes = 64 * 1024

/** Whether nobody listens any more. */
export const isOver = (stream: Stream): boolean => stream.destroyed || stream.closed

/** Resolves when the bytes are on their way, or the caller has left. */
export const send = (stream: Stream, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve) => {
    if (isOver(stream)) {
      resolve()
      return
    }
    if (!stream.headersSent)
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.once('close', resolve)
    stream.write(bytes, () => {
      stream.off('close', resolve)
      resolve()
    })
  })

/** Ends an answer with gRPC's status; one that has not begun, with nothing else. */
export const end = (stream: Stream, trailers: OutgoingHttpHeaders = { 'grpc-status': 0 }): void => {
  if (isOver(stream)) return
  if (!stream.headersSent) {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, { endStream: true })
    return
  }
  stream.once('wantTrailers', () => {
    stream.sendTrailers(trailers)
  })
  stream.end()
}

/** What stands before a message: that it is not compressed, and its length. */
const prefixOf = (length: number): Buffer => {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(length, 1)
  return prefix
}

/** A message as it goes over the wire. */
export const framed = (message: Uint8Array): Buffer => Buffer.concat([prefixOf(message.length), message])

/** A length in protobuf, always of five bytes. */
const lengthOf = (length: number): ReadonlyArray<number> =>
  [0, 7, 14, 21, 28].map((shift) => ((length >>> shift) & 0x7f) | (shift === 28 ? 0 : 0x80))

/**
 * Sends a message of at least seven bytes, and resolves when it is away, or its caller. Its one field is unknown to every reader,
 * who skips it.
 */
export const sendOversize = async (stream: Stream, bytes: number): Promise<void> => {
  // field 1000: bytes
  const key = [0xc2, 0x3e]
  const head = [...key, ...lengthOf(bytes - key.length - 5)]
  await send(stream, Buffer.concat([prefixOf(bytes), Buffer.from(head)]))
  for (let left = bytes - head.length; left > 0 && !isOver(stream); left -= chunkBytes)
    await send(stream, Buffer.alloc(Math.min(left, chunkBytes)))
}

const stdout = 1

/** plugin.StdioData on the channel stdout, in pieces as small as Go's. */
export const stdioData = (chunk: Buffer): Buffer => {
  const pieces: Array<Buffer> = []
  for (let from = 0; from < chunk.length; from += 1024) {
    const piece = chunk.subarray(from, from + 1024)
    pieces.push(framed(Buffer.concat([Buffer.from([0x08, stdout, 0x12, ...lengthOf(piece.length)]), piece])))
  }
  return Buffer.concat(pieces)
}
