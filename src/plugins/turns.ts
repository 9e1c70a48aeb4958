import { systemClock } from '../clock.ts'

/** What a pipe gives at once. */
const pieceBytes = 64 * 1024

/** What one stream may cost: more is read later, and whoever writes it waits. Far more than anybody logs who is well. */
const windowBytes = 512 * 1024
const windowMs = 100

/** What chunks come from, one after the other. */
export interface Flow {
  pause(): unknown
  resume(): unknown
}

/**
 * Takes the chunks of one stream in pieces of 64 KiB, one a turn of the loop, up to 5 MiB a second, and lets the next chunk come
 * after the last: a peer that never stops writing would have the loop, or a core, to itself.
 */
export const createTurns = (
  flow: Flow,
  take: (piece: Buffer) => void,
  clock = systemClock,
): ((chunk: Buffer) => void) => {
  let beganAtMs = 0
  let taken = 0

  /** How long to wait for the next piece. */
  const count = (bytes: number): number => {
    const passedMs = clock.now() - beganAtMs
    // also when it was set back
    if (passedMs >= windowMs || passedMs < 0) {
      beganAtMs += passedMs
      taken = 0
    }
    taken += bytes
    return taken < windowBytes ? 0 : windowMs - (clock.now() - beganAtMs)
  }

  return (chunk) => {
    flow.pause()
    const takeFrom = (from: number): void => {
      const piece = chunk.subarray(from, from + pieceBytes)
      take(piece)
      const next = (): void => {
        if (from + pieceBytes < chunk.length) takeFrom(from + pieceBytes)
        else flow.resume()
      }
      const waitMs = count(piece.length)
      if (waitMs > 0) clock.setTimeout(next, waitMs)
      else setImmediate(next)
    }
    takeFrom(0)
  }
}
