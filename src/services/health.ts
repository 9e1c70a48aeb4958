import { isJsonText } from '../api/json-scan.ts'
import { E, pipe, TE } from '../fp.ts'
import type { AggregatorError, Result } from '../errors.ts'
import { bytes, type HeaderMap, type HttpAnswer, type HttpRequest, type User } from '../http.ts'
import { pluginContextOf } from '../plugin-context.ts'
import type { CheckHealthResponse } from '../plugin.ts'
import { toHandle, unread, type PluginEnv, type ServiceDefinition } from '../service.ts'
import { instancePaths } from './paths.ts'
import { pluginHeaders } from './plugin-headers.ts'

interface HealthCall {
  readonly namespace: string
  readonly uid: string | undefined
  readonly user: User | undefined
  readonly headers: HeaderMap
  /** Of the answer. Shape: `prometheus.grafana.app/v0alpha1`. */
  readonly apiVersion: string
}

/** Source: HealthStatus of backend.proto. */
const codes = { UNKNOWN: 0, OK: 1, ERROR: 2 } as const

const notImplemented: CheckHealthResponse = {
  status: 'UNKNOWN',
  message: 'Health check not implemented',
  jsonDetails: new Uint8Array(),
}

const callHealth = (call: HealthCall, env: PluginEnv): Result<CheckHealthResponse> =>
  pipe(
    pluginContextOf(call, env),
    TE.flatMap((pluginContext) => {
      const headers = pluginHeaders('health', call.headers, call.user, pluginContext)
      return env.plugin.client.checkHealth({ pluginContext, headers }, env)
    }),
    TE.orElse((error) => (error._tag === 'NotImplemented' ? TE.right(notImplemented) : TE.left(error))),
  )

const badDetails: AggregatorError = {
  _tag: 'BadPlugin',
  message: 'the plugin answered a health check with details that are not a JSON object',
}

/** The plugin's own text, digit for digit; empty when there is nothing in it. Not parsed: it may be of any size. */
const detailsOf = ({ jsonDetails }: CheckHealthResponse): E.Either<AggregatorError, string> => {
  if (jsonDetails.length === 0) return E.right('')
  if (!isJsonText(jsonDetails)) return E.left(badDetails)
  const text = Buffer.from(jsonDetails).toString().trim()
  if (text === 'null' || /^{\s*}$/.test(text)) return E.right('')
  return text.startsWith('{') ? E.right(text) : E.left(badDetails)
}

/** 400 for anything but OK: what is ill is the instance, or what stands behind it. Source: http_health.go of Grafana. */
const encodeHealth = (answer: CheckHealthResponse, { apiVersion }: HealthCall): E.Either<AggregatorError, HttpAnswer> =>
  pipe(
    detailsOf(answer),
    E.map((details) => {
      const { status, message } = answer
      const result = JSON.stringify({ kind: 'HealthCheckResult', apiVersion, status, code: codes[status], message })
      const text = details === '' ? result : `${result.slice(0, -1)},"details":${details}}`
      return bytes(status === 'OK' ? 200 : 400, { 'content-type': 'application/json' }, [Buffer.from(text)])
    }),
  )

const handle = toHandle({
  read: unread,
  decode: ({ params: { namespace = '', uid }, user, headers }: HttpRequest, _body, { spec }) =>
    E.right({ namespace, uid, user, headers, apiVersion: `${spec.group}/${spec.version}` }),
  call: callHealth,
  encode: encodeHealth,
})

/** Health of an instance: `GET …/{connections,datasources}/{uid}/health` becomes CheckHealth. */
export const health: ServiceDefinition = {
  type: 'health',
  routes: (_entry, { spec }) =>
    instancePaths(spec.pluginType, '/health').map((path) => ({ method: 'GET', path, handle })),
}
