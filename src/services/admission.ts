import { AdmissionReview, admissionApiVersion } from '../api/admission-review.ts'
import { membersOf, startOfText } from '../api/raw-json.ts'
import { decodeWith, describeCauses, quote } from '../decode.ts'
import { badRequest, type AggregatorError, type Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import { json, type HttpAnswer, type HttpRequest, type JsonBody, type User } from '../http.ts'
import { jsonPatch, type PatchOperation } from '../json-patch.ts'
import { pluginContextOf } from '../plugin-context.ts'
import type {
  AdmissionOperation,
  AdmissionRequest,
  MutationResponse,
  PluginContext,
  ValidationResponse,
} from '../plugin.ts'
import { toHandle, type PluginEnv, type ServiceDefinition } from '../service.ts'

type Request = AdmissionReview['request']

interface AdmissionCall {
  readonly request: Request
  readonly operation: AdmissionOperation
  readonly user: User | undefined
  readonly objectBytes: Uint8Array
  readonly oldObjectBytes: Uint8Array
}

const isOperation = (operation: string): operation is AdmissionOperation =>
  operation === 'CREATE' || operation === 'UPDATE' || operation === 'DELETE'

const isJson = (contentType: unknown): boolean =>
  typeof contentType === 'string' && /^\s*application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType)

/** The object's own text: what goes to the plugin is what the apiserver holds, digit for digit. */
const rawObject = (text: string, key: 'object' | 'oldObject'): Uint8Array => {
  const request = membersOf(text, startOfText(text)).get('request')
  const span = request && membersOf(text, request.start).get(key)
  const raw = span === undefined ? 'null' : text.slice(span.start, span.end)
  return raw === 'null' ? new Uint8Array() : Buffer.from(raw)
}

const decodeReview = ({ headers, user }: HttpRequest, body: JsonBody): E.Either<AggregatorError, AdmissionCall> => {
  const contentType = headers['content-type']
  if (!isJson(contentType)) {
    return E.left({ _tag: 'UnsupportedMediaType', message: 'expected content type "application/json"' })
  }
  const decoded = decodeWith(AdmissionReview)(body.value)
  if (E.isLeft(decoded))
    return E.left(badRequest(`invalid AdmissionReview: ${describeCauses(decoded.left)}`, decoded.left))
  const { apiVersion, kind, request } = decoded.right
  if (kind !== 'AdmissionReview' || apiVersion !== admissionApiVersion) {
    return E.left(
      badRequest(`expected AdmissionReview of ${admissionApiVersion}, got ${quote(kind)} of ${quote(apiVersion)}`),
    )
  }
  const { operation } = request
  if (!isOperation(operation)) {
    return E.left(
      badRequest(`expected operation CREATE, UPDATE or DELETE, which plugins know, got ${quote(operation)}`),
    )
  }
  const objectBytes = rawObject(body.text, 'object')
  const oldObjectBytes = rawObject(body.text, 'oldObject')
  return E.right({ request, operation, user, objectBytes, oldObjectBytes })
}

const callAdmission =
  <A>(send: (request: AdmissionRequest, env: PluginEnv) => Result<A>) =>
  (call: AdmissionCall, env: PluginEnv): Result<A> => {
    const { request, operation, user, objectBytes, oldObjectBytes } = call
    const subject = { namespace: request.namespace ?? '', uid: undefined, user }
    const toRequest = (pluginContext: PluginContext): AdmissionRequest => {
      const { group, version, kind } = request.kind
      return { pluginContext, operation, kind: { group, version, kind }, objectBytes, oldObjectBytes }
    }
    return pipe(
      pluginContextOf(subject, env),
      TE.flatMap((pluginContext) => send(toRequest(pluginContext), env)),
    )
  }

/** Webhooks answer 200 also to say no: any other code counts as a broken webhook, not as a denial. */
const review = (
  { request }: AdmissionCall,
  { allowed, result, warnings }: ValidationResponse,
  patch: ReadonlyArray<PatchOperation>,
): HttpAnswer =>
  json(200, {
    kind: 'AdmissionReview',
    apiVersion: admissionApiVersion,
    response: {
      uid: request.uid,
      allowed,
      ...(result === undefined ? {} : { status: { metadata: {}, ...result } }),
      ...(patch.length === 0
        ? {}
        : { patch: Buffer.from(JSON.stringify(patch)).toString('base64'), patchType: 'JSONPatch' }),
      ...(warnings.length === 0 ? {} : { warnings }),
    },
  })

const badObject = (cause: unknown): AggregatorError => ({
  _tag: 'BadPlugin',
  message: 'the plugin answered a mutated object that is not a JSON object',
  cause,
})

const parseObject = (text: string): object => {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('not an object')
  return value
}

/** No patch for a denial, a DELETE, or a plugin that returned no object: upstream turned each of these into an error. */
const patchOf = (
  call: AdmissionCall,
  { allowed, objectBytes }: MutationResponse,
): E.Either<AggregatorError, ReadonlyArray<PatchOperation>> => {
  if (!allowed || objectBytes.length === 0 || call.objectBytes.length === 0) return E.right([])
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
  return E.tryCatch(() => jsonPatch(parseObject(text(call.objectBytes)), parseObject(text(objectBytes))), badObject)
}

/** Admission webhooks: `POST /admission/{mutate,validate}` with an AdmissionReview becomes MutateAdmission, ValidateAdmission. */
export const admission: ServiceDefinition = {
  type: 'admission',
  routes: () => [
    {
      method: 'POST',
      path: '/admission/mutate',
      handle: toHandle({
        decode: decodeReview,
        call: callAdmission<MutationResponse>((request, env) => env.plugin.client.mutateAdmission(request, env)),
        encode: (answer, call) =>
          pipe(
            patchOf(call, answer),
            E.map((patch) => review(call, answer, patch)),
          ),
      }),
    },
    {
      method: 'POST',
      path: '/admission/validate',
      handle: toHandle({
        decode: decodeReview,
        call: callAdmission<ValidationResponse>((request, env) => env.plugin.client.validateAdmission(request, env)),
        encode: (answer, call) => E.right(review(call, answer, [])),
      }),
    },
  ],
}
