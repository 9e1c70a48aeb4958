import { E, pipe } from '../fp.ts'
import type { DataFrameFormat, DataResponse } from '../plugin.ts'
import type { EncodeFrame, EncodeQueryData } from '../service.ts'
import { arrowFrame, jsonFrame, type WriteFrame } from './frame.ts'
import { emptyOutput, takeChunk, writeText, type Chunks } from './output.ts'
import { FrameError } from './refuse.ts'
import { quote, toBinary } from './text.ts'

interface ReadyResponse {
  /** The refId and all of the response that stands before its frames. */
  readonly head: string
  readonly frames: ReadonlyArray<WriteFrame>
}

const FORMATS: Readonly<Record<DataFrameFormat, (bytes: Uint8Array) => WriteFrame>> = {
  arrow: arrowFrame,
  json: jsonFrame,
}

// A RangeError is V8's own bounds check: the second lock behind those of this room.
const reasonOf = (error: unknown): string =>
  error instanceof FrameError ? error.message : 'expected offsets inside the frame'

/** Grafana makes 500 of an unset status; a plugin that left it unset and sent no error meant 200. */
const statusOf = ({ status, error }: DataResponse): number => {
  if (status >= 100 && status < 600) return Math.trunc(status)
  return error === '' ? 200 : 500
}

const errorOf = ({ error, errorSource }: DataResponse): string =>
  error === ''
    ? ''
    : `"error":${quote(toBinary(error))},"errorSource":"${errorSource === 'downstream' ? errorSource : 'plugin'}",`

const readyResponse = (refId: string, response: DataResponse): E.Either<string, ReadyResponse> => {
  const frames: Array<WriteFrame> = []
  for (const [index, bytes] of response.frames.entries()) {
    const frame = E.tryCatch(() => FORMATS[response.format](bytes), reasonOf)
    if (E.isLeft(frame)) return E.left(`frame ${String(index)} of query ${JSON.stringify(refId)}: ${frame.left}`)
    frames.push(frame.right)
  }
  const head = `${quote(toBinary(refId))}:{${errorOf(response)}"status":${String(statusOf(response))},"frames":[`
  return E.right({ head, frames })
}

function* writeResponses(responses: ReadonlyArray<ReadyResponse>): Chunks {
  const out = emptyOutput()
  yield* writeText('{"results":{', out)
  for (const [index, { head, frames }] of responses.entries()) {
    yield* writeText(index === 0 ? head : `,${head}`, out)
    for (const [frameIndex, writeFrame] of frames.entries()) {
      if (frameIndex > 0) yield* writeText(',', out)
      yield* writeFrame(out)
    }
    yield* writeText(']}', out)
  }
  yield* writeText('}}\n', out)
  yield takeChunk(out)
}

/**
 * Grafana's `/api/ds/query` body, byte for byte, made while it is pulled; may be pulled more than once. Follows the frame
 * conversion and the response writer of Grafana's plugin SDK for Go, except for a response without status.
 */
export const encodeQueryData: EncodeQueryData = ({ responses }) => {
  const ready: Array<ReadyResponse> = []
  const byRefId = [...responses].map(([refId, response]) => [toBinary(refId), refId, response] as const)
  byRefId.sort(([left], [right]) => (left < right ? -1 : 1))
  for (const [, refId, response] of byRefId) {
    const made = readyResponse(refId, response)
    if (E.isLeft(made)) return made
    ready.push(made.right)
  }
  return E.right({ [Symbol.iterator]: () => writeResponses(ready) })
}

function* writeOne(writeFrame: WriteFrame): Chunks {
  const out = emptyOutput()
  yield* writeFrame(out)
  yield takeChunk(out)
}

/** One frame as Grafana's data frame JSON, made while it is pulled. */
export const encodeFrame: EncodeFrame = (bytes, format) =>
  pipe(
    E.tryCatch(() => FORMATS[format](bytes), reasonOf),
    E.map((writeFrame) => ({ [Symbol.iterator]: () => writeOne(writeFrame) })),
  )
