const lineFeed = 0x0a

/** Source: the buffer of go-plugin's log reader. */
const maxLineBytes = 64 * 1024

export interface LineSplitter {
  readonly push: (chunk: Buffer) => void
  /** Gives out what is left without a line feed. */
  readonly end: () => void
}

/**
 * Cuts a stream of bytes into lines at LF alone (readline cuts at a lone CR too) and decodes each one as UTF-8 after the cut.
 * A longer line than 64 KiB comes in pieces, so a flood without a line feed costs no more memory than that.
 */
export const createLineSplitter = (onLine: (line: string) => void, limitBytes = maxLineBytes): LineSplitter => {
  let pieces: Array<Buffer> = []
  let size = 0

  const give = (line: string): void => {
    onLine(line.endsWith('\r') ? line.slice(0, -1) : line)
  }
  const flush = (): void => {
    const line = Buffer.concat(pieces).toString('utf8')
    pieces = []
    size = 0
    give(line)
  }
  const keep = (piece: Buffer): void => {
    if (piece.length === 0) return
    pieces.push(piece)
    size += piece.length
  }

  return {
    push: (chunk) => {
      let from = 0
      while (from < chunk.length) {
        const at = chunk.indexOf(lineFeed, from)
        const room = from + limitBytes - size
        if (at !== -1 && at <= room && size === 0) {
          // most lines: no piece, no copy
          give(chunk.toString('utf8', from, at))
          from = at + 1
        } else if (at !== -1 && at <= room) {
          keep(chunk.subarray(from, at))
          flush()
          from = at + 1
        } else if (room <= chunk.length) {
          keep(chunk.subarray(from, room))
          flush()
          from = room
        } else {
          keep(chunk.subarray(from))
          from = chunk.length
        }
      }
    },
    end: () => {
      if (size > 0) flush()
    },
  }
}
