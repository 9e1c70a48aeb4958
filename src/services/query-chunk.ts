import { onOneLine } from '../api/json-scan.ts'
import { E } from '../fp.ts'
import type { QueryDataChunk } from '../plugin.ts'
import type { EncodeFrame } from '../service.ts'
import type { LineFormat } from './line-formats.ts'

/** Below this, what belongs to one line goes out in one piece. */
const pieceBytes = 64 * 1024

function* joined(head: string, pieces: Iterable<Buffer>, tail: string): Generator<Uint8Array, void> {
  let held: Uint8Array = Buffer.from(head)
  for (const piece of pieces) {
    if (held.length >= pieceBytes) {
      yield held
      held = onOneLine(piece)
    } else held = Buffer.concat([held, onOneLine(piece)])
  }
  yield Buffer.concat([held, Buffer.from(tail)])
}

/** As a response has it in an answer that is whole. */
const statusOf = ({ status, error }: QueryDataChunk): number => {
  if (status >= 100 && status < 600) return Math.trunc(status)
  return error === '' ? 200 : 500
}

const errorOf = ({ error, errorSource }: QueryDataChunk): string =>
  error === ''
    ? ''
    : `,"error":${JSON.stringify(error)},"errorSource":"${errorSource === 'downstream' ? errorSource : 'plugin'}"`

/**
 * Writes a chunk in pieces, its frame's JSON as it is. Shape:
 * `{"refId":"A","frameId":"0","frame":{…},"error":"…","errorSource":"plugin","status":200}`, of which `refId` and `status` are always there.
 * Left: what is wrong with the frame. Source: the chunked writer of Grafana, which leaves out `status`.
 */
export const writeChunk =
  ({ before, after }: LineFormat, encodeFrame: EncodeFrame) =>
  (chunk: QueryDataChunk): E.Either<string, Iterable<Uint8Array>> => {
    const { refId, frameId, frame, format } = chunk
    const head = `${before}{"refId":${JSON.stringify(refId)}${frameId === '' ? '' : `,"frameId":${JSON.stringify(frameId)}`}`
    const tail = `${errorOf(chunk)},"status":${String(statusOf(chunk))}}${after}`
    if (frame.length === 0) return E.right([Buffer.from(`${head}${tail}`)])
    const encoded = encodeFrame(frame, format)
    return E.isLeft(encoded) ? encoded : E.right(joined(`${head},"frame":`, encoded.right, tail))
  }
