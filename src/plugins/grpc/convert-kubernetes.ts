import type {
  AdmissionRequest,
  ConversionRequest,
  ConversionResponse,
  MutationResponse,
  StatusResult,
  ValidationResponse,
} from '../../plugin.ts'
import type {
  WireAdmissionRequest,
  WireConversionRequest,
  WireConversionResponse,
  WireMutationResponse,
  WireStatusResult,
  WireValidationResponse,
} from './messages.ts'

const noBytes = new Uint8Array(0)

export const toWireAdmission = (request: AdmissionRequest): WireAdmissionRequest => ({
  pluginContext: request.pluginContext,
  operation: request.operation,
  kind: request.kind,
  object_bytes: request.objectBytes,
  old_object_bytes: request.oldObjectBytes,
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

export const toWireConversion = (request: ConversionRequest): WireConversionRequest => ({
  pluginContext: request.pluginContext,
  uid: request.uid,
  objects: request.objects.map(({ raw, contentType }) => ({ raw, content_type: contentType })),
  target_version: request.targetVersion,
})

export const fromWireConversion = ({ uid, result, objects }: WireConversionResponse): ConversionResponse => ({
  uid: uid ?? '',
  result: fromWireStatus(result),
  objects: objects.map(({ raw, content_type }) => ({ raw: raw ?? noBytes, contentType: content_type ?? '' })),
})
