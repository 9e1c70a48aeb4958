import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import type {
  CallResourceResponse,
  CheckHealthResponse,
  CollectMetricsResponse,
  ConversionResponse,
  DataResponse,
  HeaderLists,
  MutationResponse,
  QueryDataChunk,
  QueryDataResponse,
  RawObject,
  StatusResult,
  StreamPacket,
  StreamResponse,
  ValidationResponse,
} from '../plugin.ts'
import { error } from './error-station.ts'
import type { ScriptedForward } from './recording-forward.ts'
import type { ScriptedAnswer } from './recording-plugin.ts'
import { bytes, flag, list, mapOf, maybe, number, object, oneOf, optional, text, type Read } from './station.ts'

/** What answers in a case: plugins, and what stands behind a proxied path. */
export interface AnswerStation extends ScriptedAnswer {
  readonly forward?: ScriptedForward | undefined
}

const textOr = optional(text, '')
const textsOr = optional(list(text), [])

/** A frame is a JSON data frame, or the name of an Arrow file beside the station. */
const frameIn =
  (folder: string): Read<Uint8Array> =>
  (value) =>
    typeof value === 'string' ? readFileSync(join(folder, value)) : bytes(value, '')

const formatOf = (frames: ReadonlyArray<unknown>): 'arrow' | 'json' =>
  frames.some((frame) => typeof frame === 'string') ? 'arrow' : 'json'

const any: Read<unknown> = (value) => value

const told = { error: textOr, errorSource: textOr, status: optional(number, 0) }

const dataResponse =
  (folder: string): Read<DataResponse> =>
  (value, where) => {
    const { frames, ...rest } = object<Omit<DataResponse, 'format' | 'frames'> & { frames: ReadonlyArray<unknown> }>({
      frames: optional(list(any), []),
      ...told,
    })(value, where)
    return { ...rest, format: formatOf(frames), frames: list(frameIn(folder))(frames, where) }
  }

const queryData =
  (folder: string): Read<QueryDataResponse> =>
  (value, where) => ({ responses: new Map(Object.entries(mapOf(dataResponse(folder))(value, where))) })

const chunk =
  (folder: string): Read<QueryDataChunk> =>
  (value, where) => {
    const { frame, ...rest } = object<Omit<QueryDataChunk, 'format' | 'frame'> & { frame: unknown }>({
      refId: text,
      frameId: textOr,
      frame: any,
      ...told,
    })(value, where)
    const read = frame === undefined ? new Uint8Array() : frameIn(folder)(frame, where)
    return { ...rest, format: formatOf([frame]), frame: read }
  }

const headers: Read<HeaderLists> = (value, where) => {
  const each: Read<ReadonlyArray<string>> = (inner, at) => (typeof inner === 'string' ? [inner] : list(text)(inner, at))
  return mapOf(each)(value, where)
}

const piece: Read<CallResourceResponse> = object<CallResourceResponse>({
  status: optional(number, 0),
  headers: optional(headers, {}),
  body: bytes,
})

const health: Read<CheckHealthResponse> = (value, where) => {
  const { details, ...rest } = object<Omit<CheckHealthResponse, 'jsonDetails'> & { details: Uint8Array }>({
    status: oneOf('UNKNOWN', 'OK', 'ERROR'),
    message: textOr,
    details: bytes,
  })(value, where)
  return { ...rest, jsonDetails: details }
}

const streamResponse: Read<StreamResponse> = object<StreamResponse>({
  status: oneOf('OK', 'NOT_FOUND', 'PERMISSION_DENIED'),
  data: bytes,
})

const result: Read<StatusResult> = object<StatusResult>({
  status: textOr,
  message: textOr,
  reason: textOr,
  code: optional(number, 0),
})

const validation = { allowed: flag, result: maybe(result), warnings: textsOr }

const mutation: Read<MutationResponse> = (value, where) => {
  const { object: mutated, ...rest } = object<ValidationResponse & { object: Uint8Array }>({
    ...validation,
    object: bytes,
  })(value, where)
  return { ...rest, objectBytes: mutated }
}

/** An object, or `{ raw, contentType }` where the type is told. */
const rawObject: Read<RawObject> = (value, where) =>
  typeof value === 'object' && value !== null && 'contentType' in value
    ? object<RawObject>({ raw: bytes, contentType: text })(value, where)
    : { raw: bytes(value, where), contentType: 'application/json' }

const conversion: Read<ConversionResponse> = object<ConversionResponse>({
  uid: textOr,
  result: maybe(result),
  objects: optional(list(rawObject), []),
})

const forward: Read<ScriptedForward> = object<ScriptedForward>({
  status: optional(number, 0),
  headers: optional(
    mapOf<string | ReadonlyArray<string>>((v, at) => (typeof v === 'string' ? v : list(text)(v, at))),
    {},
  ),
  body: bytes,
  error: maybe(error),
})

/**
 * Reads station 3: a member for each call that is answered, by the name of the call. Shapes: `{ "queryData": { "A": { "frames": [{…}] } } }`,
 * `{ "callResource": [{ "status": 200, "headers": { "Etag": "x" }, "body": {…} }] }`, `{ "mutateAdmission": { "allowed": true, "object": {…} } }`,
 * `{ "error": { "_tag": "PluginUnavailable", … } }`. Throws a TypeError that names the member that is none of these.
 */
export const readAnswer = (value: unknown, folder: string): AnswerStation =>
  object<AnswerStation>({
    queryData: maybe(queryData(folder)),
    queryChunkedData: maybe(list(chunk(folder))),
    callResource: maybe(list(piece)),
    checkHealth: maybe(health),
    collectMetrics: maybe(object<CollectMetricsResponse>({ prometheus: bytes })),
    subscribeStream: maybe(streamResponse),
    runStream: maybe(list(object<StreamPacket>({ data: bytes }))),
    publishStream: maybe(streamResponse),
    validateAdmission: maybe(object<ValidationResponse>(validation)),
    mutateAdmission: maybe(mutation),
    convertObjects: maybe(conversion),
    forward: maybe(forward),
    error: maybe(error),
  })(value, '3-answer.json')
