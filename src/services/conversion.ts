import { conversionApiVersion } from '../api/conversion-review.ts'
import { quote } from '../decode.ts'
import type { Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import { bytes, type HttpAnswer } from '../http.ts'
import { pluginContextOf } from '../plugin-context.ts'
import type { ConversionResponse, RawObject, StatusResult } from '../plugin.ts'
import { asJson, toHandle, type PluginEnv, type ServiceDefinition } from '../service.ts'
import { checkConverted } from './conversion-check.ts'
import { decodeConversion, type ConversionCall } from './conversion-request.ts'
import { isFailure, joinRaw } from './conversion-result.ts'
import { queryConvertRoutes } from './query-convert.ts'
import { withShortRetry } from './review.ts'

const callConversion = (call: ConversionCall, env: PluginEnv): Result<ConversionResponse> => {
  const { reviewUid: uid, user, objects, targetVersion } = call
  return pipe(
    pluginContextOf({ namespace: '', uid: undefined, user }, env),
    TE.flatMap((pluginContext) =>
      env.plugin.client.convertObjects({ pluginContext, uid, objects, targetVersion }, env),
    ),
  )
}

const review = (uid: string, result: object, objects: ReadonlyArray<RawObject>): Uint8Array => {
  const head = JSON.stringify({ kind: 'ConversionReview', apiVersion: conversionApiVersion, response: { uid, result } })
  return joinRaw(`${head.slice(0, -2)},"convertedObjects":[`, objects, ']}}')
}

const headers = { 'content-type': 'application/json' }

const converted = ({ reviewUid }: ConversionCall, objects: ReadonlyArray<RawObject>): HttpAnswer =>
  bytes(200, headers, [review(reviewUid, { status: 'Success' }, objects)])

const refused = ({ reviewUid }: ConversionCall, { message, reason, code }: Partial<StatusResult>): HttpAnswer => {
  const said = message === undefined || message === '' ? 'the plugin refused to convert, and did not say why' : message
  const result = {
    status: 'Failure',
    message: said,
    ...(reason === undefined || reason === '' ? {} : { reason }),
    ...(code === undefined || code === 0 ? {} : { code }),
  }
  return bytes(200, headers, [review(reviewUid, result, [])], 'plugin')
}

/**
 * What an apiserver would refuse is said to it in the review's own way, with 200: what it tells then are our words, where its own
 * name neither the field nor the plugin. Where there is no answer to judge, it reads code and message of a Status.
 */
const encodeConversion = (response: ConversionResponse, call: ConversionCall): HttpAnswer => {
  const { uid, result } = response
  if (result !== undefined && isFailure(result)) return refused(call, result)
  if (uid !== '' && uid !== call.reviewUid) {
    return refused(call, { message: `the plugin answered another review, uid ${quote(uid)}` })
  }
  return pipe(
    checkConverted(response, call),
    E.match(
      (fault) => refused(call, { message: `the plugin answered ${fault}` }),
      (objects) => converted(call, objects),
    ),
  )
}

const answer = toHandle({
  read: asJson,
  decode: decodeConversion,
  call: callConversion,
  encode: (response, call: ConversionCall) => E.right(encodeConversion(response, call)),
})

/** Conversion webhooks: `POST /conversion` with a ConversionReview becomes ConvertObjects; beside it, queries of older versions. */
export const conversion: ServiceDefinition = {
  type: 'conversion',
  routes: (entry, service) => [
    { method: 'POST', path: '/conversion', handle: withShortRetry(answer) },
    ...queryConvertRoutes(entry, service),
  ],
}
