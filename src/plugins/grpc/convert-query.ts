import type {
  DataFrameFormat,
  DataQuery,
  DataResponse,
  QueryDataChunk,
  QueryDataRequest,
  QueryDataResponse,
} from '../../plugin.ts'
import type { WireDataResponse, WireQueryDataChunk, WireQueryDataRequest, WireQueryDataResponse } from './messages.ts'

const noBytes = new Uint8Array(0)

/**
 * JSON may hold half a character, UTF-8 may not: protobufjs writes it all the same, and a plugin in Go refuses the whole request.
 * Source: encoding/json of Go.
 */
const withoutHalves = (text: string): string => text.replace(/\p{Surrogate}/gu, '\ufffd')

const toWireDataQuery = (query: DataQuery): DataQuery => ({
  ...query,
  refId: withoutHalves(query.refId),
  queryType: withoutHalves(query.queryType),
})

/** Of QueryData and QueryChunkedData alike. */
export const toWireQuery = (format: DataFrameFormat): ((request: QueryDataRequest) => WireQueryDataRequest) => {
  const wireFormat = format === 'json' ? 'JSON' : 'ARROW'
  return ({ pluginContext, headers, queries }) => ({
    pluginContext,
    headers,
    queries: queries.map(toWireDataQuery),
    format: wireFormat,
  })
}

// what was asked for is a wish: the answer tells
const fromWireFormat = (format: number | undefined): DataFrameFormat => (format === 1 ? 'json' : 'arrow')

const fromWireDataResponse = (response: WireDataResponse | undefined): DataResponse => ({
  format: fromWireFormat(response?.format),
  frames: response?.frames ?? [],
  error: response?.error ?? '',
  errorSource: response?.errorSource ?? '',
  status: response?.status ?? 0,
})

export const fromWireQuery = ({ responses }: WireQueryDataResponse): QueryDataResponse => ({
  responses: new Map(responses.map(({ key, value }) => [key ?? '', fromWireDataResponse(value)])),
})

export const fromWireChunk = (chunk: WireQueryDataChunk): QueryDataChunk => ({
  refId: chunk.refId ?? '',
  frameId: chunk.frameId ?? '',
  format: fromWireFormat(chunk.format),
  frame: chunk.frame ?? noBytes,
  error: chunk.error ?? '',
  errorSource: chunk.errorSource ?? '',
  status: chunk.status ?? 0,
})
