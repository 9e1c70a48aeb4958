/** Machine words of a Kubernetes Status, as the apimachinery spells them, for the codes that we answer with. */
export type StatusReason =
  | 'BadRequest'
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'Conflict'
  | 'AlreadyExists'
  | 'Expired'
  | 'RequestEntityTooLarge'
  | 'UnsupportedMediaType'
  | 'Invalid'
  | 'TooManyRequests'
  | 'InternalError'
  | 'NotImplemented'
  | 'BadGateway'
  | 'ServiceUnavailable'
  | 'Timeout'

/**
 * One wrong field. Shape: `{ reason: 'FieldValueInvalid', field: 'spec.services[1].path', message: 'must start with "/"' }`.
 * Source: metav1.StatusCause, whose JSON key for the type is `reason`.
 */
export interface StatusCause {
  readonly reason: CauseReason
  readonly field: string
  readonly message: string
}

/** Source: metav1.CauseType. */
export type CauseReason =
  | 'FieldValueInvalid'
  | 'FieldValueRequired'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueDuplicate'
  | 'FieldValueTypeInvalid'
  | 'FieldValueTooLong'
  | 'FieldManagerConflict'
  | 'ResourceVersionTooLarge'

/** A failed request, as every Kubernetes client reads it. Source: metav1.Status. */
export interface Status {
  readonly kind: 'Status'
  readonly apiVersion: 'v1'
  /** `continue`: with an expired list, the token to go on with. */
  readonly metadata: { readonly continue?: string }
  readonly status: 'Failure'
  readonly message: string
  readonly reason: StatusReason
  readonly details?: StatusDetails
  readonly code: number
}

export interface StatusDetails {
  readonly name?: string
  readonly group?: string
  /** The plural resource name; the kind, for Invalid. */
  readonly kind?: string
  readonly uid?: string
  readonly causes?: ReadonlyArray<StatusCause>
  readonly retryAfterSeconds?: number
}
