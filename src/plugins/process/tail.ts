const lineFeed = 0x0a
const firstRoomBytes = 4096

/** The end of a stream of bytes. */
export interface Tail {
  readonly push: (chunk: Buffer) => void
  /** Of a stream that was longer, it begins with a line where there is one, and never inside a character. */
  readonly text: () => string
}

const isInsideCharacter = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80

/** Keeps the last `limitBytes` in twice as much memory, which grows as it is needed and is moved rarely, not at each chunk. */
export const createTail = (limitBytes: number): Tail => {
  // one more, to see whether a line begins after it
  const keptBytes = limitBytes + 1
  let bytes = Buffer.alloc(0)
  let end = 0

  const makeRoom = (length: number): void => {
    const kept = bytes.subarray(Math.max(0, end + length - keptBytes), end)
    const needed = kept.length + length
    const room = Math.min(2 * keptBytes, Math.max(2 * bytes.length, needed, firstRoomBytes))
    const target = needed > bytes.length ? Buffer.allocUnsafeSlow(room) : bytes
    kept.copy(target)
    bytes = target
    end = kept.length
  }
  return {
    push: (chunk) => {
      const piece = chunk.subarray(-keptBytes)
      if (end + piece.length > bytes.length) makeRoom(piece.length)
      piece.copy(bytes, end)
      end += piece.length
    },
    text: () => {
      let start = end - limitBytes
      if (start <= 0) return bytes.toString('utf8', 0, end)
      const line = bytes.indexOf(lineFeed, start - 1) + 1
      if (line > 0 && line < end) start = line
      else while (start < end && isInsideCharacter(bytes[start])) start += 1
      return bytes.toString('utf8', start, end)
    },
  }
}
