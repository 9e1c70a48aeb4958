import type { IncomingMessage } from 'node:http'

import { badRequest, type AggregatorError, type Result } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import type { JsonBody } from '../http.ts'

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

/** A body that is read when somebody asks, as long as somebody waits. */
export interface BodyReader {
  /**
   * The body as JSON, whatever its Content-Type says: `curl -d` says form. Fails with BadRequest, BodyTooLarge,
   * UnsupportedMediaType (compressed, or consumed as something else), Cancelled (the client left, or `stop`).
   */
  readonly readJson: Result<JsonBody>
  /** Nobody waits any more: gives back what was read so far. */
  readonly stop: () => void
}

const isForm = (request: IncomingMessage): boolean =>
  /^\s*(application\/x-www-form-urlencoded|multipart\/)/i.test(request.headers['content-type'] ?? '')

/** Somebody before us has read the stream: what he made of it is all there is. Never wait for bytes that cannot come. */
const fromParsed = (request: HostRequest): E.Either<AggregatorError, JsonBody> => {
  const { body, rawBody } = request
  if (Buffer.isBuffer(rawBody)) return parse(rawBody.toString())
  if (Buffer.isBuffer(body)) return parse(body.toString())
  if (typeof body === 'string') return parse(body)
  if (body === undefined || body === null || isForm(request)) {
    return E.left({
      _tag: 'UnsupportedMediaType',
      message: 'the body was read before it came here, and not as JSON: mount the aggregator before body parsers',
    })
  }
  return E.tryCatch((): JsonBody => ({ value: body, text: JSON.stringify(body) }), notJson)
}

/** Looks at nothing and attaches nothing before `readJson` is run. */
export const bodyReader = (request: HostRequest, limitBytes: number): BodyReader => {
  let stop = (): void => undefined

  const readBytes = (): Promise<E.Either<AggregatorError, Buffer>> =>
    new Promise((resolve) => {
      const chunks: Buffer[] = []
      let size = 0
      const settle = (result: E.Either<AggregatorError, Buffer>): void => {
        request.off('data', take).off('end', end).off('close', leave).off('error', leave)
        chunks.length = 0
        resolve(result)
      }
      const take = (chunk: Buffer): void => {
        size += chunk.length
        if (size > limitBytes) settle(E.left(tooLarge(limitBytes)))
        else chunks.push(chunk)
      }
      const end = (): void => {
        settle(E.right(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)))
      }
      const leave = (): void => {
        settle(E.left({ _tag: 'Cancelled' }))
      }
      stop = leave
      request.on('data', take).on('end', end).on('close', leave).on('error', leave)
    })

  const read = async (): Promise<E.Either<AggregatorError, JsonBody>> => {
    if (request.readableDidRead || request.readableEnded) return fromParsed(request)
    const encoding = request.headers['content-encoding'] ?? 'identity'
    if (encoding !== 'identity') {
      return E.left({ _tag: 'UnsupportedMediaType', message: 'expected a body without content encoding' })
    }
    if (Number(request.headers['content-length'] ?? 0) > limitBytes) return E.left(tooLarge(limitBytes))
    return pipe(
      await readBytes(),
      E.flatMap((bytes) => parse(bytes.toString())),
    )
  }

  return {
    readJson: read,
    stop: () => {
      stop()
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
