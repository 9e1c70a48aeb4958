import type { Status, StatusCause, StatusDetails, StatusReason } from './api/status.ts'
import type { TE } from './fp.ts'

/** Who an error is laid at: the plugin's own code, or what stands behind it. Source: errorSource of the plugin SDK. */
export type ErrorSource = 'plugin' | 'downstream'

/**
 * Everything that can go wrong with one request. The tag decides code and `reason` (`toStatus`); `message` goes to the
 * client, so it never holds a secret, a path of the host or a request body; `cause` goes to the log only.
 */
export type AggregatorError =
  | { readonly _tag: 'BadRequest'; readonly message: string; readonly causes?: ReadonlyArray<StatusCause> }
  | { readonly _tag: 'Unauthorized'; readonly message: string }
  | { readonly _tag: 'Forbidden'; readonly message: string; readonly details?: StatusDetails }
  | { readonly _tag: 'NotFound'; readonly message: string; readonly details?: StatusDetails }
  | { readonly _tag: 'MethodNotAllowed'; readonly method: string; readonly allow: ReadonlyArray<string> }
  | { readonly _tag: 'NotAcceptable'; readonly message: string }
  | { readonly _tag: 'Conflict'; readonly message: string; readonly details?: StatusDetails }
  | { readonly _tag: 'AlreadyExists'; readonly message: string; readonly details?: StatusDetails }
  /** What was asked for is remembered no more; `continue` goes on with what there is now. */
  | { readonly _tag: 'Expired'; readonly message: string; readonly continue?: string }
  | { readonly _tag: 'BodyTooLarge'; readonly limitBytes: number; readonly option: string }
  | { readonly _tag: 'UnsupportedMediaType'; readonly message: string }
  | {
      readonly _tag: 'Invalid'
      readonly message: string
      readonly causes: ReadonlyArray<StatusCause>
      /** Whose causes these are. */
      readonly details?: Omit<StatusDetails, 'causes'>
    }
  | { readonly _tag: 'TooManyRequests'; readonly message: string; readonly retryAfterSeconds: number }
  /** A resource version that is not there yet. */
  | { readonly _tag: 'NotYet'; readonly message: string; readonly retryAfterSeconds: number }
  /** The objects cannot be written: where they are kept is read-only, or full. The cause is for the log. */
  | { readonly _tag: 'StoreFailed'; readonly message: string; readonly cause?: unknown }
  | { readonly _tag: 'PluginFailed'; readonly message: string; readonly source: ErrorSource; readonly cause?: unknown }
  | { readonly _tag: 'NotImplemented'; readonly message: string }
  | { readonly _tag: 'BadPlugin'; readonly message: string; readonly cause?: unknown }
  | {
      readonly _tag: 'PluginUnavailable'
      readonly message: string
      readonly retryAfterSeconds: number
      readonly cause?: unknown
    }
  | { readonly _tag: 'PluginTimeout'; readonly message: string }
  /** What stands behind a proxied path cannot be reached, or broke off. */
  | { readonly _tag: 'BadGateway'; readonly message: string; readonly cause?: unknown }
  | { readonly _tag: 'GatewayTimeout'; readonly message: string }
  | { readonly _tag: 'Cancelled' }
  | { readonly _tag: 'Unexpected'; readonly cause: unknown }

/** A step of the pipeline: a thunk of a promise that never rejects. */
export type Result<A> = TE.TaskEither<AggregatorError, A>

export const badRequest = (message: string, causes?: ReadonlyArray<StatusCause>): AggregatorError =>
  causes === undefined ? { _tag: 'BadRequest', message } : { _tag: 'BadRequest', message, causes }

export const unexpected = (cause: unknown): AggregatorError => ({ _tag: 'Unexpected', cause })

const tooLarge = (retryAfterSeconds: number): StatusDetails => ({
  causes: [{ reason: 'ResourceVersionTooLarge', field: '', message: 'Too large resource version' }],
  retryAfterSeconds,
})

const status = (code: number, reason: StatusReason, message: string, details?: StatusDetails): Status => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message,
  reason,
  ...(details === undefined ? {} : { details }),
  code,
})

/**
 * The one table from what went wrong to what a client reads. Codes and reasons are those of Kubernetes; where it has no
 * reason of its own (501, 502) the HTTP phrase stands in. 499 is nginx's "client closed request": it is counted and
 * logged, never sent.
 */
export const toStatus = (error: AggregatorError): Status => {
  switch (error._tag) {
    case 'BadRequest':
      return status(400, 'BadRequest', error.message, error.causes === undefined ? undefined : { causes: error.causes })
    case 'Unauthorized':
      return status(401, 'Unauthorized', error.message)
    case 'Forbidden':
      return status(403, 'Forbidden', error.message, error.details)
    case 'NotFound':
      return status(404, 'NotFound', error.message, error.details)
    case 'MethodNotAllowed':
      return status(
        405,
        'MethodNotAllowed',
        `${error.method} is not supported here, allowed: ${error.allow.join(', ')}`,
      )
    case 'NotAcceptable':
      return status(406, 'NotAcceptable', error.message)
    case 'Conflict':
      return status(409, 'Conflict', error.message, error.details)
    case 'AlreadyExists':
      return status(409, 'AlreadyExists', error.message, error.details)
    case 'Expired':
      return {
        ...status(410, 'Expired', error.message),
        metadata: error.continue === undefined ? {} : { continue: error.continue },
      }
    case 'NotYet':
      return status(504, 'Timeout', error.message, tooLarge(error.retryAfterSeconds))
    case 'StoreFailed':
      return status(500, 'InternalError', error.message)
    case 'BodyTooLarge':
      return status(
        413,
        'RequestEntityTooLarge',
        `Request entity too large: limit is ${String(error.limitBytes)} (option ${error.option})`,
      )
    case 'UnsupportedMediaType':
      return status(415, 'UnsupportedMediaType', error.message)
    case 'Invalid':
      return status(422, 'Invalid', error.message, {
        ...error.details,
        ...(error.causes.length === 0 ? {} : { causes: error.causes }),
      })
    case 'TooManyRequests':
      return status(429, 'TooManyRequests', error.message, { retryAfterSeconds: error.retryAfterSeconds })
    case 'PluginFailed':
      // What stands behind the plugin is not ours: its failures must not look like those of this server.
      return error.source === 'downstream'
        ? status(400, 'BadRequest', error.message)
        : status(500, 'InternalError', error.message)
    case 'NotImplemented':
      return status(501, 'NotImplemented', error.message)
    case 'BadPlugin':
      return status(502, 'BadGateway', error.message)
    case 'PluginUnavailable':
      return status(503, 'ServiceUnavailable', error.message, { retryAfterSeconds: error.retryAfterSeconds })
    case 'PluginTimeout':
      return status(504, 'Timeout', error.message)
    case 'BadGateway':
      return status(502, 'BadGateway', error.message)
    case 'GatewayTimeout':
      return status(504, 'Timeout', error.message)
    case 'Cancelled':
      return status(499, 'Timeout', 'the client closed the request')
    case 'Unexpected':
      return status(500, 'InternalError', 'Internal error occurred: see the log of the server')
  }
}
