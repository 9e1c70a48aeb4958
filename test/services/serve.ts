import type { DataPlaneService } from '../../src/api/dataplane-service.ts'
import { badRequest, type AggregatorError } from '../../src/errors.ts'
import { E, TE } from '../../src/fp.ts'
import { encodeFrame, encodeQueryData } from '../../src/frames/index.ts'
import type { ByteStream, HttpAnswer, HttpRequest, JsonBody } from '../../src/http.ts'
import type { InstanceSettings, PluginContextProvider, PluginContextRequest, PluginHost } from '../../src/plugin.ts'
import { match } from '../../src/routing/match.ts'
import type { CallEnv, EncodeQueryData, FrameEncoders } from '../../src/service.ts'
import { compile } from '../../src/routing/table.ts'
import { serviceDefinitions } from '../../src/services/index.ts'
import { service } from '../api/manifests.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'

export const settings: InstanceSettings = { orgId: 1, grafanaConfig: { GF_X: '1' } }

/** Knows every instance, and keeps what it was asked. */
export const recordingContexts = (): PluginContextProvider & { readonly asked: PluginContextRequest[] } => {
  const asked: PluginContextRequest[] = []
  return {
    asked,
    getInstanceSettings: (request) => {
      asked.push(request)
      return TE.right(settings)
    },
  }
}

/** Those of the real pipeline. */
export const realFrames: FrameEncoders = { encodeQueryData, encodeFrame }

/** Encode nothing. */
export const noFrames: FrameEncoders = { encodeQueryData: () => E.right([]), encodeFrame: () => E.right([]) }

export interface Surroundings {
  readonly plugins?: PluginHost
  readonly contexts?: PluginContextProvider
  readonly of?: DataPlaneService
  /** Default: `noFrames`. */
  readonly frames?: FrameEncoders
  readonly encode?: EncodeQueryData
  /** Default: POST. */
  readonly method?: string
  readonly request?: Partial<HttpRequest>
  /** Whatever else its service reaches for: `forward`, `streams`, `mayAccess`, `signal`, … */
  readonly env?: Partial<CallEnv>
}

const chunksOf = async function* (body: Uint8Array): ByteStream {
  yield await Promise.resolve(E.right(body))
}

/** The three readers of a body that came as `body`. */
export const bodyOf = (
  body: string | Uint8Array | undefined,
): Pick<HttpRequest, 'readJson' | 'readBytes' | 'streamBody'> => {
  const bytes = Buffer.from(body ?? '')
  return {
    readJson: () =>
      Promise.resolve(
        E.tryCatch(
          (): JsonBody => ({ value: JSON.parse(bytes.toString()), text: bytes.toString() }),
          () => badRequest('the body is not valid JSON'),
        ),
      ),
    readBytes: TE.right(bytes),
    streamBody: () => (body === undefined ? undefined : chunksOf(bytes)),
  }
}

/**
 * One request through the matcher and its service, without the layers. `path` is what stands behind `/apis/p.example.com/v1`, its
 * query string too; `body` as it came.
 */
export const serve = (
  path: string,
  body: string | Uint8Array | undefined,
  { plugins, contexts = recordingContexts(), of = service(), frames = noFrames, encode, ...given }: Surroundings = {},
): Promise<E.Either<AggregatorError, HttpAnswer>> => {
  const { method = 'POST', request, env } = given
  const definitions = serviceDefinitions(encode === undefined ? frames : { ...frames, encodeQueryData: encode })
  const matched = match(compile([of], definitions), method, `/apis/p.example.com/v1${path}`)
  if (matched?._tag !== 'Claimed') throw new Error(`nobody claims ${method} ${path}`)
  const { claim, params, tail, query } = matched
  const arrived = { method, path: matched.path, params, tail, query, ...bodyOf(body), receivedAtMs: 0 }
  return claim.route.handle(requestOf({ ...arrived, ...request }), {
    ...envOf(plugins === undefined ? {} : { plugins }),
    service: of,
    type: claim.type,
    route: claim.route,
    contexts,
    ...env,
  })()
}

/** All of an answer's body. Throws when it is no body, or broke off. */
export const bytesOf = async (answer: HttpAnswer): Promise<Buffer> => {
  if (answer._tag === 'Json') return Buffer.from(JSON.stringify(answer.value))
  if (answer._tag === 'Bytes') return Buffer.concat([...answer.chunks])
  const chunks: Uint8Array[] = []
  for await (const chunk of answer.chunks) {
    if (E.isLeft(chunk)) throw new Error(`the stream broke off: ${JSON.stringify(chunk.left)}`)
    chunks.push(chunk.right)
  }
  return Buffer.concat(chunks)
}
