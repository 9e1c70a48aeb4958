/** Where JSON is put together. One for all answers: it is empty whenever an answer waits for its reader. */
export interface Output {
  readonly bytes: Buffer
  readonly view: DataView
  position: number
}

/** Writes to the output and gives chunks away as it fills; what is left in it belongs to whoever writes next. */
export type Chunks = Generator<Buffer, void>

/** An answer below this is one chunk. */
const CHUNK_BYTES = 128 * 1024

/** What one call of a column writer may add: room for it is always left. */
export const STEP_BYTES = 128 * 1024

/** Longer pieces of text go out step by step. */
export const PIECE_BYTES = 32 * 1024

const memory = Buffer.alloc(CHUNK_BYTES + STEP_BYTES)

export const output: Output = {
  bytes: memory,
  view: new DataView(memory.buffer, memory.byteOffset, memory.length),
  position: 0,
}

/** The output for a new answer. Should a writer ever throw half way, nobody else's answer begins with what it left. */
export const emptyOutput = (): Output => {
  output.position = 0
  return output
}

export const isFull = ({ position }: Output): boolean => position >= CHUNK_BYTES

/** The chunk so far, in memory of its own. */
export const takeChunk = (out: Output): Buffer => {
  const chunk = Buffer.from(out.bytes.subarray(0, out.position))
  out.position = 0
  return chunk
}

/** Writes a binary string of any length. */
export function* writeText(text: string, out: Output): Chunks {
  for (let from = 0; from < text.length; from += PIECE_BYTES) {
    if (isFull(out)) yield takeChunk(out)
    out.position += out.bytes.write(text.slice(from, from + PIECE_BYTES), out.position, 'latin1')
  }
}

/** Writes bytes of any length: few are copied, many are handed on as they are. */
export function* writeBytes(bytes: Buffer, out: Output): Chunks {
  if (out.position + bytes.length <= CHUNK_BYTES) {
    out.position += bytes.copy(out.bytes, out.position)
    return
  }
  if (out.position > 0) yield takeChunk(out)
  for (let from = 0; from < bytes.length; from += CHUNK_BYTES) yield bytes.subarray(from, from + CHUNK_BYTES)
}
