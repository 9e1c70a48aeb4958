import type {
  AdmissionRequest,
  DataResponse,
  MutationResponse,
  QueryDataRequest,
  QueryDataResponse,
  StatusResult,
  ValidationResponse,
} from '../../plugin.ts'
import type {
  WireAdmissionRequest,
  WireDataResponse,
  WireMutationResponse,
  WireQueryDataRequest,
  WireQueryDataResponse,
  WireStatusResult,
  WireValidationResponse,
} from './proto.ts'

const noBytes = new Uint8Array(0)

/** Asks for Arrow, which every plugin speaks. */
export const toWireQuery = (request: QueryDataRequest): WireQueryDataRequest => ({ ...request, format: 'ARROW' })

export const toWireAdmission = (request: AdmissionRequest): WireAdmissionRequest => ({
  pluginContext: request.pluginContext,
  operation: request.operation,
  kind: request.kind,
  object_bytes: request.objectBytes,
  old_object_bytes: request.oldObjectBytes,
})

const fromWireDataResponse = (response: WireDataResponse | undefined): DataResponse => ({
  // what was asked for is a wish: the answer tells
  format: response?.format === 1 ? 'json' : 'arrow',
  frames: response?.frames ?? [],
  error: response?.error ?? '',
  errorSource: response?.errorSource ?? '',
  status: response?.status ?? 0,
})

export const fromWireQuery = ({ responses }: WireQueryDataResponse): QueryDataResponse => ({
  responses: new Map(responses.map(({ key, value }) => [key ?? '', fromWireDataResponse(value)])),
})

const fromWireStatus = (result: WireStatusResult | undefined): StatusResult | undefined =>
  result && {
    status: result.status ?? '',
    message: result.message ?? '',
    reason: result.reason ?? '',
    code: result.code ?? 0,
  }

export const fromWireValidation = (response: WireValidationResponse): ValidationResponse => ({
  allowed: response.allowed ?? false,
  result: fromWireStatus(response.result),
  warnings: response.warnings,
})

export const fromWireMutation = (response: WireMutationResponse): MutationResponse => ({
  ...fromWireValidation(response),
  objectBytes: response.object_bytes ?? noBytes,
})
