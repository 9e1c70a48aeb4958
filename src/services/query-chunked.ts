import { unexpected, type AggregatorError, type ErrorSource, type Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import { stream, type StreamAnswer } from '../http.ts'
import type { DataResponse, MessageStream, QueryDataChunk, QueryDataResponse } from '../plugin.ts'
import { asJson, toHandle, type EncodeFrame, type Handle, type PluginEnv } from '../service.ts'
import { farewellOf, isWithinLine, type LineFormat } from './line-formats.ts'
import { pluginQueryOf } from './query-call.ts'
import { inOrder } from './query-ending.ts'
import { writeChunk } from './query-chunk.ts'
import { decodeQuery, type QueryCall } from './query-request.ts'

type Step<A> = IteratorResult<E.Either<AggregatorError, A>, undefined>

const done = { done: true, value: undefined } as const

/** Each frame is a chunk, named by its place; then comes the error. A response with neither is a chunk that says so. */
function* chunksOf(
  refId: string,
  { format, frames, error, errorSource, status }: DataResponse,
): Generator<QueryDataChunk, void> {
  const empty = { refId, frameId: '', format, frame: new Uint8Array(0) }
  const noError = { error: '', errorSource: '', status: error === '' ? status : 0 }
  for (const [index, frame] of frames.entries()) yield { ...empty, frameId: String(index), frame, ...noError }
  if (error !== '' || frames.length === 0) yield { ...empty, error, errorSource, status }
}

function* allChunks(answer: QueryDataResponse): Generator<QueryDataChunk, undefined> {
  for (const [refId, response] of inOrder(answer)) yield* chunksOf(refId, response)
}

/** A whole answer in chunks. Source: the chunked query adapter of Grafana. */
const inChunks = (answer: QueryDataResponse): MessageStream<QueryDataChunk> => {
  const chunks = allChunks(answer)
  const next = (): Step<QueryDataChunk> => {
    const step = chunks.next()
    return step.done === true ? step : { done: false, value: E.right(step.value) }
  }
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve(next()) }) }
}

const unreadable = ({ refId, frameId }: QueryDataChunk, fault: string): AggregatorError => ({
  _tag: 'BadPlugin',
  message: `the plugin's chunk cannot be read: frame ${JSON.stringify(frameId)} of query ${JSON.stringify(refId)}: ${fault}`,
})

/**
 * The lines of a stream that has begun: what goes wrong before its first line is a failure like any other. The next message is
 * asked for when all of the last one was taken.
 */
const open = (
  messages: MessageStream<QueryDataChunk>,
  format: LineFormat,
  encodeFrame: EncodeFrame,
): Result<StreamAnswer> => {
  const source = messages[Symbol.asyncIterator]()
  const write = writeChunk(format, encodeFrame)
  let pieces: Iterator<Uint8Array> | undefined
  let first: Step<Uint8Array> | undefined
  let isCutOff = false
  let errorSource: ErrorSource | undefined

  const pull = async (): Promise<Step<Uint8Array>> => {
    for (;;) {
      const piece = pieces?.next()
      if (piece !== undefined && piece.done !== true) return { done: false, value: E.right(piece.value) }
      const message: IteratorResult<E.Either<AggregatorError, QueryDataChunk>> = await source.next()
      if (message.done === true) return done
      if (E.isLeft(message.value)) return { done: false, value: message.value }
      // a plugin's own error counts before one downstream
      if (message.value.right.error !== '' && errorSource !== 'plugin')
        errorSource = message.value.right.errorSource === 'downstream' ? 'downstream' : 'plugin'
      const written = write(message.value.right)
      if (E.isLeft(written)) {
        await source.return?.()
        return { done: false, value: E.left(unreadable(message.value.right, written.left)) }
      }
      pieces = written.right[Symbol.iterator]()
    }
  }
  const chunks: AsyncIterator<E.Either<AggregatorError, Uint8Array>, undefined> = {
    next: async () => {
      const step = first ?? (await pull())
      first = undefined
      if (step.done !== true && E.isRight(step.value)) isCutOff = isWithinLine(step.value.right)
      return step
    },
    return: async () => {
      pieces = undefined
      await source.return?.()
      return done
    },
  }
  const answer = stream(
    200,
    format.headers,
    { [Symbol.asyncIterator]: () => chunks },
    {
      farewell: (error) => farewellOf(format, error, isCutOff),
      errorSource: () => errorSource,
      ...(format.heartbeat === undefined ? {} : { heartbeat: format.heartbeat }),
    },
  )
  return pipe(
    TE.tryCatch(pull, unexpected),
    TE.flatMap((step) => {
      if (step.done !== true && E.isLeft(step.value)) return TE.left(step.value.left)
      first = step
      return TE.right(answer)
    }),
  )
}

/** Asks for chunks; a plugin that has none is asked for the whole answer. */
const callChunked =
  (format: LineFormat, encodeFrame: EncodeFrame) =>
  (call: QueryCall, env: PluginEnv): Result<StreamAnswer> => {
    const { client } = env.plugin
    const start = (messages: MessageStream<QueryDataChunk>): Result<StreamAnswer> => open(messages, format, encodeFrame)
    return pipe(
      pluginQueryOf(call, env),
      TE.flatMap((request) =>
        pipe(
          start(client.queryChunkedData(request, env)),
          TE.orElse((error) =>
            error._tag === 'NotImplemented'
              ? pipe(
                  client.queryData(request, env),
                  TE.flatMap((answer) => start(inChunks(answer))),
                )
              : TE.left(error),
          ),
        ),
      ),
    )
  }

/** Queries whose answer goes out as it comes, a line for each chunk. */
export const chunked = (format: LineFormat, encodeFrame: EncodeFrame): Handle =>
  toHandle({
    read: asJson,
    decode: decodeQuery,
    call: callChunked(format, encodeFrame),
    encode: (answer) => E.right(answer),
  })
