import { AdmissionReview, admissionApiVersion } from '../api/admission-review.ts'
import { depthOf, membersOf, startOfText } from '../api/raw-json.ts'
import type { StatusCause } from '../api/status.ts'
import { decodeWith, describeCauses } from '../decode.ts'
import { badRequest, type AggregatorError, type Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import { json, type HttpAnswer, type HttpRequest, type JsonBody, type User } from '../http.ts'
import { jsonPatchText } from '../json-patch.ts'
import { pluginContextOf } from '../plugin-context.ts'
import type { AdmissionOperation, AdmissionRequest, MutationResponse, ValidationResponse } from '../plugin.ts'
import { asJson, toHandle, type PluginEnv, type ServiceDefinition } from '../service.ts'
import { expectJson, maxDepth, withShortRetry } from './review.ts'

/** A review, read. Its objects are texts only: as values they would be many times that size. */
interface AdmissionCall {
  readonly reviewUid: string
  readonly namespace: string
  readonly kind: AdmissionRequest['kind']
  readonly operation: AdmissionOperation
  readonly user: User | undefined
  readonly objectBytes: Uint8Array
  readonly oldObjectBytes: Uint8Array
}

const isOperation = (operation: string): operation is AdmissionOperation =>
  operation === 'CREATE' || operation === 'UPDATE' || operation === 'DELETE'

/** Somewhat more than an apiserver takes. */
const maxObjectBytes = 4 * 1024 * 1024

const invalid = (causes: ReadonlyArray<StatusCause>): AggregatorError =>
  badRequest(`invalid AdmissionReview: ${describeCauses(causes)}`, causes)

/** The object's own text: what goes to the plugin is what the apiserver holds, digit for digit. */
const rawObject = (text: string, key: 'object' | 'oldObject'): E.Either<AggregatorError, Uint8Array> => {
  const request = membersOf(text, startOfText(text)).get('request')
  const span = request && membersOf(text, request.start).get(key)
  const raw = span === undefined ? 'null' : text.slice(span.start, span.end)
  if (raw === 'null') return E.right(new Uint8Array())
  const depth = depthOf(raw)
  const message = `expected at most ${String(maxDepth)} levels, got ${String(depth)}`
  return depth > maxDepth
    ? E.left(invalid([{ reason: 'FieldValueTooLong', field: `request.${key}`, message }]))
    : E.right(Buffer.from(raw))
}

const decodeReview = ({ headers, user }: HttpRequest, body: JsonBody): E.Either<AggregatorError, AdmissionCall> => {
  const json = expectJson(headers)
  if (E.isLeft(json)) return json
  const decoded = decodeWith(AdmissionReview)(body.value)
  if (E.isLeft(decoded)) return E.left(invalid(decoded.left))
  const { apiVersion, kind, request } = decoded.right
  if (kind !== 'AdmissionReview' || apiVersion !== admissionApiVersion) {
    return E.left(badRequest(`expected AdmissionReview of ${admissionApiVersion}`))
  }
  const { operation } = request
  if (!isOperation(operation)) {
    const got = operation === 'CONNECT' ? '"CONNECT"' : 'another text'
    return E.left(badRequest(`expected operation CREATE, UPDATE or DELETE, which plugins know, got ${got}`))
  }
  return pipe(
    E.Do,
    E.bind('objectBytes', () => rawObject(body.text, 'object')),
    E.bind('oldObjectBytes', () => rawObject(body.text, 'oldObject')),
    E.map((objects) => ({
      ...objects,
      reviewUid: request.uid,
      namespace: request.namespace ?? '',
      kind: { group: request.kind.group, version: request.kind.version, kind: request.kind.kind },
      operation,
      user,
    })),
  )
}

const callAdmission =
  <A>(send: (request: AdmissionRequest, env: PluginEnv) => Result<A>) =>
  ({ namespace, user, operation, kind, objectBytes, oldObjectBytes }: AdmissionCall, env: PluginEnv): Result<A> =>
    pipe(
      pluginContextOf({ namespace, uid: undefined, user }, env),
      TE.flatMap((pluginContext) => send({ pluginContext, operation, kind, objectBytes, oldObjectBytes }, env)),
    )

/** Webhooks answer 200 also to say no: any other code counts as a broken webhook, not as a denial. */
const review = (
  { reviewUid }: AdmissionCall,
  { allowed, result, warnings }: ValidationResponse,
  patch?: string,
): HttpAnswer =>
  json(200, {
    kind: 'AdmissionReview',
    apiVersion: admissionApiVersion,
    response: {
      uid: reviewUid,
      allowed,
      ...(result === undefined ? {} : { status: { metadata: {}, ...result } }),
      ...(patch === undefined ? {} : { patch: Buffer.from(patch).toString('base64'), patchType: 'JSONPatch' }),
      ...(warnings.length === 0 ? {} : { warnings }),
    },
  })

const badObject = (fault: string, cause?: unknown): AggregatorError => ({
  _tag: 'BadPlugin',
  message: `the plugin answered a mutated object ${fault}`,
  cause,
})

/** No patch for a denial, a DELETE, or a plugin that returned no object: upstream turned each of these into an error. */
const patchOf = (
  call: AdmissionCall,
  { allowed, objectBytes }: MutationResponse,
): E.Either<AggregatorError, string | undefined> => {
  const { length } = objectBytes
  if (!allowed || length === 0 || call.objectBytes.length === 0) return E.right(undefined)
  if (length > maxObjectBytes) {
    return E.left(badObject(`of ${String(length)} bytes, expected at most ${String(maxObjectBytes)}`))
  }
  const text = Buffer.from(objectBytes).toString()
  const depth = depthOf(text)
  if (depth > maxDepth) return E.left(badObject(`of ${String(depth)} levels, expected at most ${String(maxDepth)}`))
  return E.tryCatch(
    () => jsonPatchText(Buffer.from(call.objectBytes).toString(), text),
    (cause) => badObject('that is not a JSON object', cause),
  )
}

/** Admission webhooks: `POST /admission/{mutate,validate}` with an AdmissionReview becomes MutateAdmission, ValidateAdmission. */
export const admission: ServiceDefinition = {
  type: 'admission',
  routes: () => [
    {
      method: 'POST',
      path: '/admission/mutate',
      handle: withShortRetry(
        toHandle({
          read: asJson,
          decode: decodeReview,
          call: callAdmission<MutationResponse>((request, env) => env.plugin.client.mutateAdmission(request, env)),
          encode: (answer, call) =>
            pipe(
              patchOf(call, answer),
              E.map((patch) => review(call, answer, patch)),
            ),
        }),
      ),
    },
    {
      method: 'POST',
      path: '/admission/validate',
      handle: withShortRetry(
        toHandle({
          read: asJson,
          decode: decodeReview,
          call: callAdmission<ValidationResponse>((request, env) => env.plugin.client.validateAdmission(request, env)),
          encode: (answer, call) => E.right(review(call, answer)),
        }),
      ),
    },
  ],
}
