import type { CauseReason, StatusCause } from '../api/status.ts'
import type { AggregatorError } from '../errors.ts'
import { list, maybe, number, object, oneOf, text, type Read } from './station.ts'

type Tag = AggregatorError['_tag']
type Rest<T extends Tag> = Omit<Extract<AggregatorError, { readonly _tag: T }>, '_tag' | 'cause'>

const causes: Read<ReadonlyArray<StatusCause>> = list(
  object<StatusCause>({ reason: text as Read<CauseReason>, field: text, message: text }),
)
const told: Read<{ message: string }> = object({ message: text })
const retried: Read<{ message: string; retryAfterSeconds: number }> = object({
  message: text,
  retryAfterSeconds: number,
})

/** Told, and of whom: the details of the Status as they are. */
const detailed: Read<{ message: string; details?: unknown }> = object<{ message: string; details?: unknown }>({
  message: text,
  details: (value) => value,
})

const rests: { readonly [T in Tag]: Read<unknown> } = {
  BadRequest: object<{ message: string; causes?: unknown }>({ message: text, causes: maybe(causes) }),
  Unauthorized: told,
  Forbidden: detailed,
  NotFound: detailed,
  MethodNotAllowed: object<Rest<'MethodNotAllowed'>>({ method: text, allow: list(text) }),
  NotAcceptable: told,
  Conflict: detailed,
  AlreadyExists: detailed,
  Expired: object<{ message: string; continue?: unknown }>({ message: text, continue: maybe(text) }),
  NotYet: retried,
  StoreFailed: told,
  BodyTooLarge: object<Rest<'BodyTooLarge'>>({ limitBytes: number, option: text }),
  UnsupportedMediaType: told,
  Invalid: object<{ message: string; causes: unknown; details?: unknown }>({
    message: text,
    causes,
    details: (value) => value,
  }),
  TooManyRequests: retried,
  PluginFailed: object<Rest<'PluginFailed'>>({ message: text, source: oneOf('plugin', 'downstream') }),
  NotImplemented: told,
  BadPlugin: told,
  PluginUnavailable: retried,
  PluginTimeout: told,
  BadGateway: told,
  GatewayTimeout: told,
  Cancelled: object({}),
  Unexpected: object({}),
}

const isTag = (name: string): name is Tag => Object.hasOwn(rests, name)

/** An error as `errors.ts` has it. Shape: `{ "_tag": "PluginUnavailable", "message": "…", "retryAfterSeconds": 4 }`. */
export const error: Read<AggregatorError> = (value, where) => {
  const given = typeof value === 'object' && value !== null ? value : {}
  const { _tag, ...rest } = given as { readonly _tag?: unknown }
  const tag = typeof _tag === 'string' && isTag(_tag) ? _tag : undefined
  if (tag === undefined) throw new TypeError(`${where}._tag: expected one of ${Object.keys(rests).join(', ')}`)
  return { _tag: tag, ...(rests[tag](rest, where) as object) } as AggregatorError
}
