import type { DataPlaneService, Service } from '../api/dataplane-service.ts'
import type { AggregatorError, ErrorSource, Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import { bytes, type HeaderMap } from '../http.ts'
import { pluginContextOf } from '../plugin-context.ts'
import type { DataResponse, QueryDataResponse } from '../plugin.ts'
import {
  asJson,
  toHandle,
  type FrameEncoders,
  type PluginEnv,
  type ServiceDefinition,
  type ServiceRoute,
} from '../service.ts'
import { pluginHeaders } from './plugin-headers.ts'
import { instancePaths } from './paths.ts'
import { decodeQuery, type QueryCall } from './query-request.ts'

/** By code point, as Go compares texts; `<` compares halves of surrogate pairs. */
const isBefore = (a: string, b: string): boolean => {
  let i = 0
  while (i < a.length && a.charCodeAt(i) === b.charCodeAt(i)) i++
  return (a.codePointAt(i) ?? -1) < (b.codePointAt(i) ?? -1)
}

const isDownstream = ({ errorSource }: DataResponse): boolean => errorSource === 'downstream'

/** The error that decides: a plugin's own before one downstream, then by refId. One pass: a plugin may answer any number of refIds. */
const decisiveError = ({ responses }: QueryDataResponse): DataResponse | undefined => {
  let first: readonly [refId: string, response: DataResponse] | undefined
  for (const [refId, response] of responses) {
    if (response.error === '') continue
    const decides =
      first === undefined ||
      (isDownstream(response) === isDownstream(first[1]) ? isBefore(refId, first[0]) : isDownstream(first[1]))
    if (decides) first = [refId, response]
  }
  return first?.[1]
}

/**
 * How an answer ends: 200 unless a refId failed; then the first plugin error in the order of refIds decides, else the first
 * downstream one, which is never laid at this server (4xx kept, else 400). Source: GetResponseCode of the datasource apiserver.
 */
const endingOf = (answer: QueryDataResponse): { readonly code: number; readonly errorSource?: ErrorSource } => {
  const first = decisiveError(answer)
  if (first === undefined) return { code: 200 }
  const { status, errorSource } = first
  return errorSource === 'downstream'
    ? { code: status >= 400 && status <= 499 ? status : 400, errorSource }
    : { code: status >= 400 && status <= 599 ? status : 500, errorSource: 'plugin' }
}

const headers: HeaderMap = { 'content-type': 'application/json' }

const routesOf =
  (handle: ServiceRoute['handle']) =>
  (_entry: Service, { spec }: DataPlaneService): ReadonlyArray<ServiceRoute> =>
    instancePaths(spec.pluginType, '/query').map((path) => ({ method: 'POST', path, handle }))

const callQuery = (call: QueryCall, env: PluginEnv): Result<QueryDataResponse> =>
  pipe(
    pluginContextOf(call, env),
    TE.flatMap((pluginContext) => {
      const headers = pluginHeaders('query', call.headers, call.user, pluginContext)
      return env.plugin.client.queryData({ pluginContext, headers, queries: call.queries }, env)
    }),
  )

/** Queries: `POST …/{connections,datasources}/{uid}/query` becomes QueryData, its frames become Grafana's JSON. */
export const query = ({ encodeQueryData }: FrameEncoders): ServiceDefinition => ({
  type: 'query',
  routes: routesOf(
    toHandle({
      read: asJson,
      decode: decodeQuery,
      call: callQuery,
      encode: (answer) =>
        pipe(
          encodeQueryData(answer),
          E.mapLeft((fault): AggregatorError => ({
            _tag: 'BadPlugin',
            message: `the plugin's answer cannot be read: ${fault}`,
          })),
          E.map((chunks) => {
            const { code, errorSource } = endingOf(answer)
            return bytes(code, headers, chunks, errorSource)
          }),
        ),
    }),
  ),
})
