import { badRequest, type AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'

const tokenVersion = 'meta.k8s.io/v1'

/** Where the next page of a list begins. */
export interface ContinueToken {
  /** The state that the list is of; `undefined`: the present one, whatever the pages before were of. */
  readonly revision: number | undefined
  /** The first name that it may hold. */
  readonly start: string
}

/** The next name after this one, in the order of code units. */
export const nameAfter = (name: string): string => `${name}\0`

/** Clients take it for opaque. Source: EncodeContinue of the Kubernetes apiserver's storage. */
export const formatToken = ({ revision, start }: ContinueToken): string =>
  Buffer.from(JSON.stringify({ v: tokenVersion, rv: revision ?? -1, start })).toString('base64url')

const invalid: E.Either<AggregatorError, never> = E.left(
  badRequest('continue key is not valid: expected the metadata.continue of a list'),
)

const isRevision = (value: unknown): value is number => Number.isSafeInteger(value) && value !== 0

/** Fails with BadRequest. */
export const parseToken = (token: string): E.Either<AggregatorError, ContinueToken> => {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(token, 'base64url').toString())
  } catch {
    return invalid
  }
  if (typeof value !== 'object' || value === null) return invalid
  const { v, rv, start }: { v?: unknown; rv?: unknown; start?: unknown } = value
  if (v !== tokenVersion || typeof start !== 'string' || start === '' || !isRevision(rv)) return invalid
  return E.right({ revision: rv < 0 ? undefined : rv, start })
}
