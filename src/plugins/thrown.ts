import type { AggregatorError } from '../errors.ts'

type Check = (value: unknown) => boolean
type Fields<Value> = Readonly<Record<Exclude<keyof Value, '_tag'>, Check>>

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
const isText: Check = (value) => typeof value === 'string'
const isAmount: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0
const isSource: Check = (value) => value === 'plugin' || value === 'downstream'
/** One that a header may carry. */
const isMethod: Check = (value) => typeof value === 'string' && /^[A-Z]+$/.test(value)
const isAnything: Check = () => true

const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value)
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every((item) => check(item))
const objectOf =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) && Object.entries(fields).every(([name, check]) => check(Reflect.get(value, name)))

const isCauses = listOf(objectOf({ reason: isText, field: isText, message: isText }))
const isDetails = objectOf({
  name: optional(isText),
  group: optional(isText),
  kind: optional(isText),
  uid: optional(isText),
  causes: optional(isCauses),
  retryAfterSeconds: optional(isAmount),
})

/** Every field of every error; the compiler misses none. */
const fieldsOf: { readonly [Tag in AggregatorError['_tag']]: Fields<Extract<AggregatorError, { _tag: Tag }>> } = {
  BadRequest: { message: isText, causes: optional(isCauses) },
  Unauthorized: { message: isText },
  Forbidden: { message: isText, details: optional(isDetails) },
  NotFound: { message: isText, details: optional(isDetails) },
  MethodNotAllowed: { method: isText, allow: listOf(isMethod) },
  NotAcceptable: { message: isText },
  Conflict: { message: isText, details: optional(isDetails) },
  AlreadyExists: { message: isText, details: optional(isDetails) },
  Expired: { message: isText, continue: optional(isText) },
  BodyTooLarge: { limitBytes: isAmount, option: isText },
  UnsupportedMediaType: { message: isText },
  Invalid: { message: isText, causes: isCauses, details: optional(isDetails) },
  TooManyRequests: { message: isText, retryAfterSeconds: isAmount },
  NotYet: { message: isText, retryAfterSeconds: isAmount },
  StoreFailed: { message: isText, cause: isAnything },
  PluginFailed: { message: isText, source: isSource, cause: isAnything },
  NotImplemented: { message: isText },
  BadPlugin: { message: isText, cause: isAnything },
  PluginUnavailable: { message: isText, retryAfterSeconds: isAmount, cause: isAnything },
  BadGateway: { message: isText, cause: isAnything },
  GatewayTimeout: { message: isText },
  PluginTimeout: { message: isText },
  Cancelled: {},
  Unexpected: { cause: isAnything },
}

const isTag = (value: unknown): value is AggregatorError['_tag'] =>
  typeof value === 'string' && Object.hasOwn(fieldsOf, value)

/** True for what may be answered as it is. Whatever JavaScript throws comes here: a tag alone proves nothing. */
export const isAggregatorError = (thrown: unknown): thrown is AggregatorError => {
  try {
    return isObject(thrown) && '_tag' in thrown && isTag(thrown._tag) && objectOf(fieldsOf[thrown._tag])(thrown)
  } catch {
    // of a getter, or a proxy
    return false
  }
}
