import type { IncomingMessage } from 'node:http'

import { badRequest, type AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import type { ByteStream, HttpRequest, JsonBody } from '../http.ts'
import { bodyStream, type BodyStream } from './body-stream.ts'

/** A request that passed body parsers on its way, or not. */
export type HostRequest = IncomingMessage & { readonly body?: unknown; readonly rawBody?: unknown }

const option = 'limits.bodyBytes'

/** The parser's own message quotes the body: only the position is passed on. */
const notJson = (cause: unknown): AggregatorError => {
  const position = cause instanceof Error ? /position (\d+)/.exec(cause.message)?.[1] : undefined
  return badRequest(`the body is not valid JSON${position === undefined ? '' : ` (at position ${position})`}`)
}

const parse = (text: string): E.Either<AggregatorError, JsonBody> =>
  text.trim() === ''
    ? E.left(badRequest('expected a JSON body, got nothing'))
    : E.tryCatch((): JsonBody => ({ value: JSON.parse(text), text }), notJson)

const tooLarge = (limitBytes: number): AggregatorError => ({ _tag: 'BodyTooLarge', limitBytes, option })

/**
 * A body that is read when somebody asks, as long as somebody waits; as JSON whatever its Content-Type says: `curl -d` says form.
 * Fails with BadRequest, BodyTooLarge, UnsupportedMediaType (compressed where JSON is wanted, or consumed as something else),
 * Cancelled (the client left, or `stop`).
 */
export interface BodyReader extends Pick<HttpRequest, 'readJson' | 'readBytes' | 'streamBody'> {
  /** Nobody waits any more: gives back what was read so far. */
  readonly stop: () => void
}

/** Shape: `application/json`, without parameters. */
const mediaTypeOf = ({ headers }: IncomingMessage): string =>
  (headers['content-type'] ?? '').replace(/;.*/s, '').trim().toLowerCase()

const isForm = (request: IncomingMessage): boolean =>
  /^(application\/x-www-form-urlencoded$|multipart\/)/.test(mediaTypeOf(request))

const isJson = (request: IncomingMessage): boolean => /[/+]json$/.test(mediaTypeOf(request))

const isCompressed = ({ headers }: IncomingMessage): boolean =>
  (headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity'

/** Somebody before us has read the stream: what he made of it is all there is. Never wait for bytes that cannot come. */
const wasRead = (request: IncomingMessage): boolean => request.readableDidRead || request.readableEnded

const readBefore: AggregatorError = {
  _tag: 'UnsupportedMediaType',
  message: 'the body was read before it came here, and not as JSON: mount the aggregator before body parsers',
}

const inflatedBefore: AggregatorError = {
  _tag: 'UnsupportedMediaType',
  message: 'the body was decompressed before it came here: mount the aggregator before body parsers',
}

const textOf = ({ body, rawBody }: HostRequest): Buffer | string | undefined =>
  [rawBody, body].find((given) => Buffer.isBuffer(given)) ?? (typeof body === 'string' ? body : undefined)

const fromParsed = (request: HostRequest): E.Either<AggregatorError, JsonBody> => {
  const { body } = request
  const text = textOf(request)
  if (text !== undefined) return parse(text.toString())
  if (body === undefined || body === null || isForm(request)) return E.left(readBefore)
  return E.tryCatch((): JsonBody => ({ value: body, text: JSON.stringify(body) }), notJson)
}

/**
 * No body is rebuilt but JSON: of a form, a multipart body or XML, what its parser made of it is not what came. Nor is one passed on
 * that a parser decompressed, whose headers still tell of the compression.
 */
const bytesOfParsed = (request: HostRequest): E.Either<AggregatorError, Uint8Array> => {
  if (!hasBody(request)) return E.right(new Uint8Array())
  if (isCompressed(request)) return E.left(inflatedBefore)
  const text = textOf(request)
  if (text !== undefined) return E.right(Buffer.from(text))
  if (!isJson(request)) return E.left(readBefore)
  return pipe(
    fromParsed(request),
    E.map((json) => Buffer.from(json.text)),
  )
}

/** RFC 9112, 6.3: a request has a body when one of these says so. */
const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array =>
  chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)

const once = async function* (chunk: Uint8Array): AsyncGenerator<E.Either<AggregatorError, Uint8Array>> {
  yield await Promise.resolve(E.right(chunk))
}

const fails = async function* (error: AggregatorError): AsyncGenerator<E.Either<AggregatorError, Uint8Array>> {
  yield await Promise.resolve(E.left(error))
}

/** Looks at nothing and attaches nothing before one of its readers is run. */
export const bodyReader = (request: HostRequest, limitBytes: number): BodyReader => {
  let reading: BodyStream | undefined

  const begin = (): ByteStream => {
    reading = bodyStream(request, limitBytes, tooLarge(limitBytes))
    return reading.chunks
  }
  const isTooLarge = (): boolean => Number(request.headers['content-length'] ?? 0) > limitBytes

  const collect = async (): Promise<E.Either<AggregatorError, Uint8Array>> => {
    if (isTooLarge()) return E.left(tooLarge(limitBytes))
    const chunks: Uint8Array[] = []
    for await (const chunk of begin()) {
      if (E.isLeft(chunk)) return chunk
      chunks.push(chunk.right)
    }
    return E.right(concat(chunks))
  }
  const readBytes = async (): Promise<E.Either<AggregatorError, Uint8Array>> => {
    if (wasRead(request)) return bytesOfParsed(request)
    return hasBody(request) ? collect() : E.right(new Uint8Array())
  }
  const readJson = async (): Promise<E.Either<AggregatorError, JsonBody>> => {
    if (wasRead(request)) return fromParsed(request)
    if (isCompressed(request)) {
      return E.left({ _tag: 'UnsupportedMediaType', message: 'expected a body without content encoding' })
    }
    return pipe(
      await collect(),
      E.flatMap((bytes) => parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString())),
    )
  }
  const streamBody = (): ByteStream | undefined => {
    if (wasRead(request)) {
      const parsed = bytesOfParsed(request)
      if (E.isLeft(parsed)) return fails(parsed.left)
      return parsed.right.length === 0 ? undefined : once(parsed.right)
    }
    if (!hasBody(request)) return undefined
    return isTooLarge() ? fails(tooLarge(limitBytes)) : begin()
  }
  return {
    readJson,
    readBytes,
    streamBody,
    stop: () => {
      reading?.stop()
    },
  }
}

/** How long a client may go on sending a body that nobody reads, ms, as nginx lingers: cut at once, it might miss its answer. */
const lingerMs = 2000

/** After the answer: takes what is left of the body off the wire for a moment, then cuts the connection. */
export const discardRest = (request: IncomingMessage): void => {
  if (request.complete || request.destroyed) return
  const timer = setTimeout(() => request.destroy(), lingerMs)
  request.on('end', () => {
    clearTimeout(timer)
  })
  request.on('close', () => {
    clearTimeout(timer)
  })
  request.on('error', () => undefined)
  request.resume()
}
