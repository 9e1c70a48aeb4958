import { parsePluginJson, type PluginJson } from '../api/plugin-json.ts'
import { describeCauses } from '../decode.ts'
import { E } from '../fp.ts'
import type {
  AdmissionRequest,
  CallOptions,
  CallResourceRequest,
  CallResourceResponse,
  CheckHealthRequest,
  CheckHealthResponse,
  CollectMetricsRequest,
  CollectMetricsResponse,
  ConversionRequest,
  ConversionResponse,
  DataResponse,
  InstalledPlugin,
  MutationResponse,
  PluginClient,
  PluginHost,
  QueryDataChunk,
  QueryDataRequest,
  QueryDataResponse,
  StreamPacket,
  StreamRequest,
  StreamResponse,
  ValidationResponse,
} from '../plugin.ts'
import { withDefaults } from './defaults.ts'
import { createCaller, type Answer, type Ending, type Messages } from './in-process-call.ts'

export type { Messages }

/** By refId; what a response leaves out is empty. A Map where a refId may be any text. */
export interface QueryDataAnswer {
  readonly responses: Readonly<Record<string, Partial<DataResponse>>> | ReadonlyMap<string, Partial<DataResponse>>
}

/** `Required` members, and what an answer may leave out. */
type Of<A, Required extends keyof A = never> = Pick<A, Required> & Partial<A>

type Unary<Request, A> = (request: Request, options: CallOptions) => Answer<A>
type Streamed<Request, A> = (request: Request, options: CallOptions) => Answer<Messages<A>>

/**
 * A plugin as plain functions; one that is left out is not implemented, and what an answer leaves out is empty. Messages are asked
 * for as the client takes them: `async function*` is a way to write them. A function may fail by throwing an AggregatorError, all
 * its fields in order; anything else thrown is PluginFailed, told to the client without its message.
 */
export interface InProcessPlugin {
  readonly version?: string
  /** What its plugin.json would say: `routes` for the datasource proxy, `name` and `info` for settings. */
  readonly pluginJson?: PluginJson
  readonly queryData?: Unary<QueryDataRequest, QueryDataAnswer>
  readonly queryChunkedData?: Streamed<QueryDataRequest, Of<QueryDataChunk, 'refId'>>
  /** A first message without status has 200. */
  readonly callResource?: Streamed<CallResourceRequest, Of<CallResourceResponse>>
  readonly checkHealth?: Unary<CheckHealthRequest, Of<CheckHealthResponse, 'status'>>
  readonly collectMetrics?: Unary<CollectMetricsRequest, CollectMetricsResponse>
  readonly subscribeStream?: Unary<StreamRequest, Of<StreamResponse, 'status'>>
  readonly runStream?: Streamed<StreamRequest, StreamPacket>
  readonly publishStream?: Unary<StreamRequest, Of<StreamResponse, 'status'>>
  readonly validateAdmission?: Unary<AdmissionRequest, Of<ValidationResponse, 'allowed'>>
  readonly mutateAdmission?: Unary<AdmissionRequest, Of<MutationResponse, 'allowed'>>
  /** An answer without uid has the request's. */
  readonly convertObjects?: Unary<ConversionRequest, Of<ConversionResponse, 'objects'>>
}

const isMap = (responses: QueryDataAnswer['responses']): responses is ReadonlyMap<string, Partial<DataResponse>> =>
  responses instanceof Map

const noBytes = new Uint8Array(0)
const emptyResponse: DataResponse = { format: 'arrow', frames: [], error: '', errorSource: '', status: 0 }

const toQueryData = ({ responses }: QueryDataAnswer): QueryDataResponse => {
  const entries = isMap(responses) ? responses : Object.entries(responses)
  return { responses: new Map([...entries].map(([refId, response]) => [refId, withDefaults(response, emptyResponse)])) }
}

const completeWith =
  <A extends object>(empty: A) =>
  (answer: { readonly [K in keyof A]?: A[K] | undefined }): A =>
    withDefaults(answer, empty)

const emptyValidation: ValidationResponse = { allowed: false, result: undefined, warnings: [] }

const toChunk = completeWith<QueryDataChunk>({
  ...{ refId: '', frameId: '', format: 'arrow', frame: noBytes },
  ...{ error: '', errorSource: '', status: 0 },
})
const toResource = completeWith<CallResourceResponse>({ status: 200, headers: {}, body: noBytes })
const toHealth = completeWith<CheckHealthResponse>({ status: 'UNKNOWN', message: '', jsonDetails: noBytes })
const toMetrics = completeWith<CollectMetricsResponse>({ prometheus: noBytes })
const toStream = completeWith<StreamResponse>({ status: 'NOT_FOUND', data: noBytes })
const toPacket = completeWith<StreamPacket>({ data: noBytes })
const toValidation = completeWith(emptyValidation)
const toMutation = completeWith<MutationResponse>({ ...emptyValidation, objectBytes: noBytes })

const toConversion = (answer: Partial<ConversionResponse>, { uid }: ConversionRequest): ConversionResponse =>
  withDefaults<ConversionResponse>(answer, { uid, result: undefined, objects: [] })

/** Throws a TypeError that names what is wrong with it. */
const pluginJsonOf = (pluginId: string, { pluginJson }: InProcessPlugin): Pick<InstalledPlugin, 'pluginJson'> => {
  if (pluginJson === undefined) return {}
  const parsed = parsePluginJson(pluginJson)
  if (E.isRight(parsed)) return { pluginJson: parsed.right }
  throw new TypeError(`inProcess: pluginJson of "${pluginId}": ${describeCauses(parsed.left)}`)
}

/**
 * Plugins that are functions of this process, by plugin id: `inProcess({ testds: { queryData: () => ({ responses: {} }) } })`.
 * Throws a TypeError for a `pluginJson` that is none.
 */
export const inProcess = (plugins: Readonly<Record<string, InProcessPlugin>>): PluginHost => {
  const running = new Set<Ending>()
  let isClosed = false

  const install = (pluginId: string, plugin: InProcessPlugin): InstalledPlugin => {
    const { unary, stream } = createCaller({ pluginId, running, isClosed: () => isClosed })
    const client: PluginClient = {
      queryData: unary('queryData', plugin.queryData, toQueryData),
      queryChunkedData: stream('queryChunkedData', plugin.queryChunkedData, toChunk),
      callResource: stream('callResource', plugin.callResource, toResource),
      checkHealth: unary('checkHealth', plugin.checkHealth, toHealth),
      collectMetrics: unary('collectMetrics', plugin.collectMetrics, toMetrics),
      subscribeStream: unary('subscribeStream', plugin.subscribeStream, toStream),
      runStream: stream('runStream', plugin.runStream, toPacket),
      publishStream: unary('publishStream', plugin.publishStream, toStream),
      validateAdmission: unary('validateAdmission', plugin.validateAdmission, toValidation),
      mutateAdmission: unary('mutateAdmission', plugin.mutateAdmission, toMutation),
      convertObjects: unary('convertObjects', plugin.convertObjects, toConversion),
    }
    const { version = '' } = plugin
    return { id: pluginId, version, ...pluginJsonOf(pluginId, plugin), client }
  }
  const installed = new Map(Object.entries(plugins).map(([id, plugin]) => [id, install(id, plugin)]))

  return {
    plugin: (pluginId) => installed.get(pluginId),
    close: () => {
      isClosed = true
      for (const end of [...running])
        end({ _tag: 'PluginUnavailable', message: 'the plugin is stopped', retryAfterSeconds: 1 })
      return Promise.resolve()
    },
  }
}
