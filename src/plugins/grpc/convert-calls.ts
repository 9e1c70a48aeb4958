import type {
  CallResourceRequest,
  CallResourceResponse,
  CheckHealthResponse,
  CollectMetricsResponse,
  StreamPacket,
  StreamResponse,
} from '../../plugin.ts'
import type {
  WireCallResourceRequest,
  WireCallResourceResponse,
  WireHealthResponse,
  WireMetricsResponse,
  WireStreamPacket,
  WireStreamResponse,
} from './messages.ts'

const noBytes = new Uint8Array(0)

export const toWireResource = ({ headers, ...request }: CallResourceRequest): WireCallResourceRequest => ({
  ...request,
  headers: Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, { values }])),
})

export const fromWireResource = ({ code, headers, body }: WireCallResourceResponse): CallResourceResponse => ({
  status: code ?? 0,
  headers: Object.fromEntries(headers.map(({ key, value }) => [key ?? '', value?.values ?? []])),
  body: body ?? noBytes,
})

const healthStatuses = ['UNKNOWN', 'OK', 'ERROR'] as const

export const fromWireHealth = ({ status, message, jsonDetails }: WireHealthResponse): CheckHealthResponse => ({
  status: healthStatuses[status ?? 0] ?? 'UNKNOWN',
  message: message ?? '',
  jsonDetails: jsonDetails ?? noBytes,
})

export const fromWireMetrics = ({ metrics }: WireMetricsResponse): CollectMetricsResponse => ({
  prometheus: metrics?.prometheus ?? noBytes,
})

const streamStatuses = ['OK', 'NOT_FOUND', 'PERMISSION_DENIED'] as const

/** A status that nobody knows allows nothing. */
export const fromWireStream = ({ status, data }: WireStreamResponse): StreamResponse => ({
  status: streamStatuses[status ?? 0] ?? 'PERMISSION_DENIED',
  data: data ?? noBytes,
})

export const fromWirePacket = ({ data }: WireStreamPacket): StreamPacket => ({ data: data ?? noBytes })
