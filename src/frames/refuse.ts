/** What a frame is refused for: one lower-case sentence. Thrown inside this room only; `encodeQueryData` turns it into a Left. */
export class FrameError extends Error {}

/** Messages quote what the plugin sent, which may be long. */
const MESSAGE_LENGTH = 300

/** Ends the reading of a frame. */
export function refuse(message: string): never {
  throw new FrameError(message.slice(0, MESSAGE_LENGTH))
}
