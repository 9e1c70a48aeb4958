/** What a pipe gives at once. */
const pieceBytes = 64 * 1024

/** What chunks come from, one after the other. */
export interface Flow {
  pause(): unknown
  resume(): unknown
}

/**
 * Takes a chunk of a stream in pieces of 64 KiB, one a turn of the loop, and lets the next chunk come after the last: a peer that
 * never stops writing would have the loop to itself.
 */
export const takeInTurns = (stream: Flow, chunk: Buffer, take: (piece: Buffer) => void): void => {
  stream.pause()
  const takeFrom = (from: number): void => {
    const to = from + pieceBytes
    take(chunk.subarray(from, to))
    setImmediate(() => {
      if (to < chunk.length) takeFrom(to)
      else stream.resume()
    })
  }
  takeFrom(0)
}
