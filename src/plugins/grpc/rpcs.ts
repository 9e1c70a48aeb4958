import { E } from '../../fp.ts'
import type {
  AdmissionRequest,
  CallResourceRequest,
  CallResourceResponse,
  CheckHealthRequest,
  CheckHealthResponse,
  CollectMetricsRequest,
  CollectMetricsResponse,
  ConversionRequest,
  ConversionResponse,
  DataFrameFormat,
  MutationResponse,
  QueryDataChunk,
  QueryDataRequest,
  QueryDataResponse,
  StreamPacket,
  StreamRequest,
  StreamResponse,
  ValidationResponse,
} from '../../plugin.ts'
import {
  fromWireHealth,
  fromWireMetrics,
  fromWirePacket,
  fromWireResource,
  fromWireStream,
  toWireResource,
} from './convert-calls.ts'
import {
  fromWireConversion,
  fromWireMutation,
  fromWireValidation,
  toWireAdmission,
  toWireConversion,
} from './convert-kubernetes.ts'
import { fromWireChunk, fromWireQuery, toWireQuery } from './convert-query.ts'
import { protocol, type Method } from './proto.ts'
import { isWithin, shapes, type Shape } from './scan.ts'

/** One call of the port: its way to bytes and back. */
export interface Rpc<Request, Response> {
  /** As the port spells it. */
  readonly name: string
  readonly path: string
  /** Throws for what is no such request. */
  readonly encode: (request: Request) => Buffer
  /** Left: what there is too much of, found before anything is decoded. Throws for what is no such response. */
  readonly decode: (response: Buffer, request: Request) => E.Either<string, Response>
}

export interface Rpcs {
  readonly queryData: Rpc<QueryDataRequest, QueryDataResponse>
  readonly queryChunkedData: Rpc<QueryDataRequest, QueryDataChunk>
  readonly callResource: Rpc<CallResourceRequest, CallResourceResponse>
  readonly checkHealth: Rpc<CheckHealthRequest, CheckHealthResponse>
  readonly collectMetrics: Rpc<CollectMetricsRequest, CollectMetricsResponse>
  readonly subscribeStream: Rpc<StreamRequest, StreamResponse>
  readonly runStream: Rpc<StreamRequest, StreamPacket>
  readonly publishStream: Rpc<StreamRequest, StreamResponse>
  readonly validateAdmission: Rpc<AdmissionRequest, ValidationResponse>
  readonly mutateAdmission: Rpc<AdmissionRequest, MutationResponse>
  readonly convertObjects: Rpc<ConversionRequest, ConversionResponse>
}

export interface RpcOptions {
  /** Of one answer; it may have as many responses. */
  readonly maxFrames: number
  /** Which format of frames to ask for in an answer that is whole. */
  readonly frameFormat: DataFrameFormat
}

/** Of a frame in pieces, only the first then carries its metadata. Source: QueryChunkedData of Grafana, which asks for nothing else. */
const chunkFormat: DataFrameFormat = 'json'

/** What an answer may have no more of than so many. */
interface Most<Request> {
  readonly shape: Shape
  readonly limit: (request: Request) => number
  readonly what: string
}

/** Fields of one answer, where it has no business repeating any. */
const maxFields = 1000
/** A person reads them; kubectl prints them all. */
const maxWarnings = 1000
/** More than Node itself takes in an answer over HTTP. */
const maxHeaders = 2000

/** Shape: `/pluginv2.Data/QueryData` gives `queryData`. */
const nameOf = (path: string): string => {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return `${name.charAt(0).toLowerCase()}${name.slice(1)}`
}

const rpc = <Request, WireRequest, WireResponse, Response>(
  method: Method<WireRequest, WireResponse>,
  toWire: (request: Request) => WireRequest,
  fromWire: (response: WireResponse) => Response,
  { shape, limit, what }: Most<NoInfer<Request>>,
): Rpc<Request, Response> => ({
  name: nameOf(method.path),
  path: method.path,
  encode: (request) => method.serialize(toWire(request)),
  decode: (response, request) => {
    const most = limit(request)
    return isWithin(most, shape, response)
      ? E.right(fromWire(method.deserialize(response)))
      : E.left(`answered more than ${String(most)} ${what}`)
  },
})

const asIs = <A>(request: A): A => request

const most = (limit: number, shape: Shape, what: string): Most<unknown> => ({ shape, limit: () => limit, what })

const plain = (shape: Shape): Most<unknown> => most(maxFields, shape, 'fields')

/** The calls of pluginv2. */
export const createRpcs = ({ maxFrames, frameFormat }: RpcOptions): Rpcs => {
  const methods = protocol()
  const toQuery = toWireQuery(frameFormat)
  const frames = most(maxFrames, shapes.QueryDataResponse, 'frames or responses (option plugins.maxFrames)')
  const chunk = plain(shapes.QueryChunkedDataResponse)
  const headers = most(maxHeaders, shapes.CallResourceResponse, 'headers or values of headers')
  const stream = plain(shapes.StreamResponse)
  const validation = most(maxWarnings, shapes.ValidationResponse, 'warnings')
  const mutation = most(maxWarnings, shapes.MutationResponse, 'warnings')
  const conversion: Most<ConversionRequest> = {
    shape: shapes.ConversionResponse,
    limit: ({ objects }) => Math.max(objects.length, maxFields),
    what: 'objects',
  }
  return {
    queryData: rpc(methods.queryData, toQuery, fromWireQuery, frames),
    queryChunkedData: rpc(methods.queryChunkedData, toWireQuery(chunkFormat), fromWireChunk, chunk),
    callResource: rpc(methods.callResource, toWireResource, fromWireResource, headers),
    checkHealth: rpc(methods.checkHealth, asIs, fromWireHealth, plain(shapes.CheckHealthResponse)),
    collectMetrics: rpc(methods.collectMetrics, asIs, fromWireMetrics, plain(shapes.CollectMetricsResponse)),
    subscribeStream: rpc(methods.subscribeStream, asIs, fromWireStream, stream),
    runStream: rpc(methods.runStream, asIs, fromWirePacket, plain(shapes.StreamPacket)),
    publishStream: rpc(methods.publishStream, asIs, fromWireStream, stream),
    validateAdmission: rpc(methods.validateAdmission, toWireAdmission, fromWireValidation, validation),
    mutateAdmission: rpc(methods.mutateAdmission, toWireAdmission, fromWireMutation, mutation),
    convertObjects: rpc(methods.convertObjects, toWireConversion, fromWireConversion, conversion),
  }
}
