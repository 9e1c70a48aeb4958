/** What larger chunks are cut into: so a slow reader can be told from one that stands still. */
export const pieceBytes = 128 * 1024

/** Chunks on their way to one who may take them slowly. */
export interface Pieces {
  /** False: nothing more before `onDrain`. */
  readonly write: (chunk: Uint8Array) => boolean
  /** Calls `drained` once, when all is taken, and `moved` whenever some of it was. */
  readonly onDrain: (drained: () => void, moved?: () => void) => void
  /** To be called when what `put` gave away is taken. */
  readonly taken: () => void
  /** What is still to be written, and is no more. */
  readonly rest: () => ReadonlyArray<Uint8Array>
}

/** `put` writes a piece, the last one of its chunk or not; when it gives false, the next one waits for `taken`. */
export const createPieces = (put: (piece: Uint8Array, isLast: boolean) => boolean): Pieces => {
  const queue: Uint8Array[] = []
  let isFull = false
  let onTaken: { readonly drained: () => void; readonly moved: () => void } | undefined

  const flush = (): void => {
    for (let chunk = queue[0]; chunk !== undefined && !isFull; chunk = queue[0]) {
      const isLast = chunk.length <= pieceBytes
      if (isLast) queue.shift()
      else queue[0] = chunk.subarray(pieceBytes)
      isFull = !put(isLast ? chunk : chunk.subarray(0, pieceBytes), isLast)
    }
  }
  return {
    write: (chunk) => {
      queue.push(chunk)
      flush()
      return !isFull
    },
    onDrain: (drained, moved = () => undefined) => {
      onTaken = { drained, moved }
    },
    taken: () => {
      isFull = false
      flush()
      const told = onTaken
      if (isFull) told?.moved()
      else {
        onTaken = undefined
        told?.drained()
      }
    },
    rest: () => queue.splice(0),
  }
}
