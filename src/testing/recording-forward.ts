import type { AggregatorError } from '../errors.ts'
import type { Forward, ForwardRequest } from '../forward.ts'
import { E } from '../fp.ts'
import type { ByteStream, HeaderMap } from '../http.ts'

/** What stands behind a proxied path answers. `error`: it breaks off after its body; without a status, nothing comes at all. */
export interface ScriptedForward {
  readonly status: number
  readonly headers: HeaderMap
  readonly body: Uint8Array
  readonly error: AggregatorError | undefined
}

/** What was sent on; of its transport, what does not differ from run to run. */
export interface RecordedForward {
  readonly call: 'forward'
  readonly request: {
    readonly method: string
    readonly url: string
    readonly headers: HeaderMap
    readonly body: Uint8Array
    readonly transport: { readonly owner: string; readonly tls: ForwardRequest['transport']['tls'] }
  }
}

const bodyOf = async (body: ForwardRequest['body']): Promise<E.Either<AggregatorError, Uint8Array>> => {
  if (body === undefined || body instanceof Uint8Array) return E.right(body ?? new Uint8Array())
  const chunks: Uint8Array[] = []
  for await (const chunk of body) {
    if (E.isLeft(chunk)) return chunk
    chunks.push(chunk.right)
  }
  return E.right(Buffer.concat(chunks))
}

const answerBody = async function* ({ body, error }: ScriptedForward): ByteStream {
  if (body.length > 0) yield await Promise.resolve(E.right(body))
  if (error !== undefined) yield E.left(error)
}

/** Tells of each request once its body is read, then answers from the script. */
export const recordingForward =
  (script: ScriptedForward | undefined, onCall: (call: RecordedForward) => void): Forward =>
  ({ method, url, headers, body, transport: { pool, tls } }) =>
  async () => {
    const read = await bodyOf(body)
    if (E.isLeft(read)) return read
    onCall({
      call: 'forward',
      request: { method, url, headers, body: read.right, transport: { owner: pool.owner, tls } },
    })
    if (script === undefined) {
      return E.left({ _tag: 'NotImplemented', message: 'the fixture has no answer to forward' })
    }
    return script.status === 0 && script.error !== undefined
      ? E.left(script.error)
      : E.right({ status: script.status, headers: script.headers, body: answerBody(script) })
  }
