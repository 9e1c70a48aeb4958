import type { KubernetesFailure } from '../kubernetes.ts'
import { errorCodeOf } from '../watch.ts'

export const unreachable = (message: string): KubernetesFailure => ({ _tag: 'Unreachable', message })

export const cancelled: KubernetesFailure = { _tag: 'Cancelled' }

/** What an apiserver says goes to logs; it is a sentence or two. */
export const cutMessage = (text: string): string => (text.length > 1024 ? `${text.slice(0, 1021)}...` : text)

export const cutReason = (text: string): string => text.slice(0, 128)

/** An error of a socket that knows what it means. */
export class KnownError extends Error {
  readonly means: KubernetesFailure
  constructor(means: KubernetesFailure) {
    super(means._tag)
    this.means = means
  }
}

const cannotReach = 'the apiserver cannot be reached'
const cannotTrust = 'the apiserver cannot be trusted'

const known: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', `${cannotReach}: connection refused`],
  ['EHOSTUNREACH', `${cannotReach}: no route to its host`],
  ['ENETUNREACH', `${cannotReach}: no route to its network`],
  ['ENOTFOUND', `${cannotReach}: its name is not known`],
  ['EAI_AGAIN', `${cannotReach}: its name cannot be looked up now`],
  ['ETIMEDOUT', `${cannotReach}: it does not answer`],
  ['EMFILE', `${cannotReach}: no more files can be opened here`],
  // of which of these, the version of Node decides
  ['EPROTO', `${cannotReach}: TLS failed, is it served by http?`],
  ['ERR_SSL_WRONG_VERSION_NUMBER', `${cannotReach}: TLS failed, is it served by http?`],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', `${cannotReach}: TLS failed, is it served by http?`],
  ['ECONNRESET', 'the apiserver closed the connection before it answered'],
  ['EPIPE', 'the apiserver closed the connection before it answered'],
  ['CERT_HAS_EXPIRED', `${cannotTrust}: its certificate has expired`],
  ['CERT_NOT_YET_VALID', `${cannotTrust}: its certificate is not valid yet`],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', `${cannotTrust}: its certificate is signed by itself`],
  ['SELF_SIGNED_CERT_IN_CHAIN', `${cannotTrust}: its certificate is signed by an unknown authority`],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', `${cannotTrust}: its certificate is signed by an unknown authority`],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', `${cannotTrust}: its certificate is signed by an unknown authority`],
  ['ERR_TLS_CERT_ALTNAME_INVALID', `${cannotTrust}: its certificate is for another name`],
  ['HPE_HEADER_OVERFLOW', 'the apiserver answered with headers larger than any should be'],
])

const textOf = (code: string): string =>
  known.get(code) ?? (code.startsWith('HPE_') ? 'the apiserver answered with something that is no HTTP' : cannotReach)

/** Node gives one error without a code of its own for all addresses of a name. */
const codeOf = (cause: unknown): string =>
  errorCodeOf(cause instanceof AggregateError && cause.errors.length > 0 ? cause.errors[0] : cause)

/** What an error of Node means, in words. The error itself stays here: bytes that came, and certificates, hang on it. */
export const toUnreachable = (cause: unknown): KubernetesFailure => {
  if (cause instanceof KnownError) return cause.means
  const code = codeOf(cause)
  return unreachable(`${textOf(code)} (${code})`)
}

/** The connection ended while nothing of an answer was there: it may have been closed before the request came. */
export const isReset = (cause: unknown): boolean => ['ECONNRESET', 'EPIPE'].includes(codeOf(cause))
