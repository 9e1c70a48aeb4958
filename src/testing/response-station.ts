import { hasFragileNumber } from '../api/raw-json.ts'
import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { HttpAnswer, StreamAnswer } from '../http.ts'

/** Bytes as text, so that a station can be read and written by hand. */
export const toPlain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, inner: unknown) =>
      inner instanceof Uint8Array ? Buffer.from(inner).toString() : inner,
    ),
    // A Buffer has turned itself into JSON before the replacer sees it.
    (_key, inner: unknown) =>
      typeof inner === 'object' && inner !== null && 'type' in inner && inner.type === 'Buffer' && 'data' in inner
        ? Buffer.from(inner.data as number[]).toString()
        : inner,
  )

/** JSON as its value, any other text, and a JSON text that a value would not give back digit for digit, as it is. */
const readable = (text: string): unknown => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'string' || hasFragileNumber(text) ? text : value
  } catch {
    return text
  }
}

/** What a client reads of a stream until it ends: of a failure its farewell, where it has one, and what it was. */
const readStream = async ({ chunks, farewell }: StreamAnswer) => {
  const texts: string[] = []
  const read = (chunk: Uint8Array): void => {
    texts.push(Buffer.from(chunk).toString())
  }
  for await (const chunk of chunks) {
    if (E.isRight(chunk)) read(chunk.right)
    else {
      if (farewell !== undefined) read(farewell(chunk.left))
      return { chunks: texts, error: withoutCause(chunk.left) }
    }
  }
  return { chunks: texts }
}

/** The cause is for the log, and an Error says nothing as JSON. */
const withoutCause = (error: AggregatorError): unknown => ({ ...error, cause: undefined })

/** Station 4 as it is compared and written. Shape: `{ status: 200, headers: {}, body: {…} }`, a stream with `chunks` for `body`. */
export const responseOf = async (answer: HttpAnswer): Promise<unknown> => {
  const { _tag, status, headers } = answer
  switch (_tag) {
    case 'Json':
      return toPlain({ status, headers, body: answer.value })
    case 'Bytes':
      return toPlain({ status, headers, body: readable(Buffer.concat([...answer.chunks]).toString()) })
    case 'Stream':
      return toPlain({ status, headers, ...(await readStream(answer)) })
  }
}
