import type { AggregatorError } from '../errors.ts'

/** An error of Node's kind that knows what it means to a client. */
export class KnownError extends Error {
  readonly means: AggregatorError
  constructor(means: AggregatorError) {
    super(means._tag)
    this.means = means
  }
}

/** An address that no request may go to. */
export class BlockedAddress extends Error {}

const codeOf = (cause: unknown): string => {
  const code: unknown = cause instanceof Error && 'code' in cause ? cause.code : undefined
  return typeof code === 'string' ? code : ''
}

/** Node gives one without a message for all addresses of a name. */
const messageOf = (cause: Error): string =>
  cause instanceof AggregateError
    ? cause.errors.map((inner: unknown) => (inner instanceof Error ? inner.message : '')).join(', ')
    : cause.message

/** What an error says. What Node hangs on to it stays here: the bytes that came, with whatever they echo, or a chain of certificates. */
const saidBy = (cause: unknown): unknown =>
  cause instanceof Error
    ? Object.assign(new Error(messageOf(cause)), 'code' in cause ? { code: cause.code } : {})
    : cause

export const badGateway = (message: string, cause?: unknown): AggregatorError => ({
  _tag: 'BadGateway',
  message: `what stands behind this path ${message}`,
  ...(cause === undefined ? {} : { cause: saidBy(cause) }),
})

/** Where a request may not go: the option that it needs is told, and not the place. */
export const forbidden = (message: string): AggregatorError => ({
  _tag: 'Forbidden',
  message: `what stands behind this path ${message}`,
})

export const gatewayTimeout = (did: string, timeoutMs: number): AggregatorError => ({
  _tag: 'GatewayTimeout',
  message: `what stands behind this path did not ${did} within ${String(timeoutMs)} ms`,
})

export const closing: AggregatorError = {
  _tag: 'PluginUnavailable',
  message: 'the server is shutting down',
  retryAfterSeconds: 1,
}

const known: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'cannot be reached: connection refused'],
  ['EHOSTUNREACH', 'cannot be reached: no route to its host'],
  ['ENETUNREACH', 'cannot be reached: no route to its network'],
  ['ENOTFOUND', 'cannot be reached: its name is not known'],
  ['EAI_AGAIN', 'cannot be reached: its name cannot be looked up now'],
  ['EMFILE', 'cannot be reached: no more files can be opened here'],
  ['EADDRNOTAVAIL', 'cannot be reached: no more ports are free here'],
  ['ECONNRESET', 'closed the connection before it answered'],
  ['EPIPE', 'closed the connection before it answered'],
  ['CERT_HAS_EXPIRED', 'cannot be trusted: certificate has expired'],
  ['CERT_NOT_YET_VALID', 'cannot be trusted: certificate is not valid yet'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'cannot be trusted: self-signed certificate'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'cannot be trusted: self-signed certificate in the chain'],
  ['UNABLE_TO_GET_ISSUER_CERT', 'cannot be trusted: certificate of an unknown authority'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'cannot be trusted: certificate of an unknown authority'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'cannot be trusted: certificate of an unknown authority'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'cannot be trusted: certificate is for another name'],
  ['HPE_HEADER_OVERFLOW', 'answered with more headers than are read'],
])

const kinds: ReadonlyArray<readonly [RegExp, string]> = [
  [/^HPE_/, 'answered with something that is not HTTP'],
  [/^ERR_SSL_|^EPROTO$/, 'does not agree on TLS'],
  [/^ERR_(INVALID|HTTP)_/, 'cannot be sent such a request: its method or a header is not valid'],
]

/** The other side let go of a connection. */
export const isReset = (cause: unknown): boolean => ['ECONNRESET', 'EPIPE'].includes(codeOf(cause))

/**
 * What an error of a request means. Addresses, which Node's own messages are full of, stay in the cause; so does the host, which a
 * template may have made of a secret.
 */
export const toFailure = (cause: unknown): AggregatorError => {
  if (cause instanceof KnownError) return cause.means
  if (cause instanceof BlockedAddress) {
    return forbidden('has an address that no request may go to, unless option proxy.allowedNetworks lists it')
  }
  const code = codeOf(cause)
  if (code === 'ETIMEDOUT') return { _tag: 'GatewayTimeout', message: 'what stands behind this path is too slow' }
  const did = known.get(code) ?? kinds.find(([kind]) => kind.test(code))?.[1] ?? 'cannot be reached'
  return badGateway(did, cause)
}
