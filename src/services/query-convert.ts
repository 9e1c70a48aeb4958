import type { DataPlaneService, Service } from '../api/dataplane-service.ts'
import { QueryDataBody } from '../api/query-data.ts'
import { decodeWith, describeCauses } from '../decode.ts'
import { badRequest, type AggregatorError, type Result } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import { bytes, type HttpAnswer, type HttpRequest, type JsonBody } from '../http.ts'
import { pluginContextOf, type Subject } from '../plugin-context.ts'
import type { ConversionResponse, RawObject, StatusResult } from '../plugin.ts'
import { asJson, toHandle, type PluginEnv, type ServiceRoute } from '../service.ts'
import { parseObject } from './conversion-check.ts'
import { excessOf, isFailure, joinRaw } from './conversion-result.ts'
import { instancePaths } from './paths.ts'
import { decodeQuery } from './query-request.ts'

interface QueryConvertCall extends Subject {
  /** Of the answer. Shape: `prometheus.grafana.app/v0alpha1`. */
  readonly apiVersion: string
  /** The whole request, as it was written. */
  readonly raw: Uint8Array
}

const decodeQueryConvert = (
  request: HttpRequest,
  body: JsonBody,
  service: DataPlaneService,
): E.Either<AggregatorError, QueryConvertCall> =>
  pipe(
    decodeQuery(request, body, service),
    E.chainFirst(() => expectReferences(body.value)),
    E.map(({ namespace, uid, user }) => ({
      namespace,
      uid,
      user,
      apiVersion: `${service.spec.group}/${service.spec.version}`,
      raw: Buffer.from(body.text),
    })),
  )

/** Where a query is run, one without a reference means the first one's datasource; converted, each goes its own way. */
const expectReferences = (value: unknown): E.Either<AggregatorError, void> => {
  const decoded = decodeWith(QueryDataBody)(value)
  const queries = E.isRight(decoded) ? (decoded.right.queries ?? []) : []
  const index = queries.findIndex(({ datasource }) => datasource === undefined)
  if (index === -1) return E.right(undefined)
  const cause = {
    reason: 'FieldValueInvalid',
    field: `queries[${String(index)}].datasource`,
    message: 'missing datasource reference',
  } as const
  return E.left(badRequest(`invalid query request: ${describeCauses([cause])}`, [cause]))
}

/** Source: http_convert.go of Grafana, which leaves uid and version empty too, and knows no instance settings. */
const callQueryConvert = (call: QueryConvertCall, env: PluginEnv): Result<ConversionResponse> =>
  pipe(
    pluginContextOf(call, env),
    TE.flatMap((pluginContext) =>
      env.plugin.client.convertObjects(
        {
          pluginContext,
          uid: '',
          objects: [{ raw: call.raw, contentType: 'application/json' }],
          targetVersion: { group: '', version: '' },
        },
        env,
      ),
    ),
  )

/** A query that cannot be converted is its sender's business, anything else the plugin's. */
const toError = ({ code, message }: StatusResult): AggregatorError => {
  const said = message === '' ? 'the plugin refused to convert, and did not say why' : message
  return code >= 400 && code <= 499
    ? badRequest(said)
    : { _tag: 'PluginFailed', message: `the plugin cannot convert: ${said}`, source: 'plugin' }
}

const badQuery = (index: number, fault: string): AggregatorError => ({
  _tag: 'BadPlugin',
  message: `the plugin answered queries[${String(index)}]${fault}`,
})

/**
 * An object each, whatever its members are called: what the plugin SDK makes of a query has `RefID`, and the query itself in `JSON`,
 * which is where Grafana's frontend puts it and looks for it.
 */
const checkQuery = (object: RawObject, index: number): E.Either<AggregatorError, unknown> =>
  pipe(
    parseObject(object),
    E.mapLeft((fault) => badQuery(index, fault)),
  )

/** Ten for each that a request may hold. */
const maxQueries = 10_000

const encodeQueryConvert = (
  { result, objects }: ConversionResponse,
  { apiVersion }: QueryConvertCall,
): E.Either<AggregatorError, HttpAnswer> => {
  if (result !== undefined && isFailure(result)) return E.left(toError(result))
  const excess = objects.length > maxQueries ? `expected at most ${String(maxQueries)}` : excessOf(objects)
  if (excess !== undefined) return E.left({ _tag: 'BadPlugin', message: `the plugin answered queries: ${excess}` })
  const [wrong] = objects.map(checkQuery).filter(E.isLeft)
  if (wrong !== undefined) return wrong
  const head = JSON.stringify({ kind: 'QueryDataRequest', apiVersion })
  const text = joinRaw(`${head.slice(0, -1)},"queries":[`, objects, ']}')
  return E.right(bytes(200, { 'content-type': 'application/json' }, [text]))
}

const handle = toHandle({
  read: asJson,
  decode: decodeQueryConvert,
  call: callQueryConvert,
  encode: encodeQueryConvert,
})

/**
 * Queries of older versions: `POST …/{connections,datasources}/{uid}/query-convert` becomes ConvertObjects of the whole request.
 * `/namespaces/{namespace}/queryconvert` is where Grafana's frontend asks: it names no instance, so that the plugin is given none.
 */
export const queryConvertRoutes = (_entry: Service, { spec }: DataPlaneService): ReadonlyArray<ServiceRoute> =>
  [...instancePaths(spec.pluginType, '/query-convert'), '/namespaces/{namespace}/queryconvert'].map((path) => ({
    method: 'POST',
    path,
    handle,
  }))
