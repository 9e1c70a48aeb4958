const lineFeed = 0x0a

const firstBytes = 4096

export interface Lines {
  /** The lines that a chunk ends, without their line feeds; `undefined`: one is longer than any may be, and nothing can be read any more. */
  readonly push: (chunk: Buffer) => ReadonlyArray<string> | undefined
}

/**
 * Cuts a stream of bytes into lines at LF alone and decodes each one as UTF-8 after the cut. Bytes of an unfinished line are copied into a
 * buffer that doubles, so that a line of many tiny chunks costs as much as its length, and none of them is kept; what a stream leaves
 * without a line feed was cut, and is never given out.
 */
export const createLines = (limitBytes: number): Lines => {
  let held = Buffer.alloc(0)
  let heldBytes = 0

  const hold = (bytes: Buffer): void => {
    const neededBytes = heldBytes + bytes.length
    if (neededBytes > held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(neededBytes, Math.min(held.length * 2, limitBytes), firstBytes))
      held.copy(larger, 0, 0, heldBytes)
      held = larger
    }
    bytes.copy(held, heldBytes)
    heldBytes = neededBytes
  }

  /** The held line; a buffer that one large line has grown is given back. */
  const release = (): string => {
    const line = held.toString('utf8', 0, heldBytes)
    if (held.length > firstBytes) held = Buffer.alloc(0)
    heldBytes = 0
    return line
  }

  return {
    push: (chunk) => {
      const lines: Array<string> = []
      let from = 0
      for (let at = chunk.indexOf(lineFeed); at !== -1; at = chunk.indexOf(lineFeed, from)) {
        if (heldBytes + at - from > limitBytes) return undefined
        if (heldBytes === 0) {
          lines.push(chunk.toString('utf8', from, at))
        } else {
          hold(chunk.subarray(from, at))
          lines.push(release())
        }
        from = at + 1
      }
      if (heldBytes + chunk.length - from > limitBytes) return undefined
      if (from < chunk.length) hold(chunk.subarray(from))
      return lines
    },
  }
}
