import * as t from 'io-ts'

import { decodeWith } from '../decode.ts'
import { E, pipe } from '../fp.ts'
import type { StatusCause } from './status.ts'

const ExecCredential = t.type({
  apiVersion: t.string,
  kind: t.literal('ExecCredential', '"ExecCredential"'),
  status: t.partial({
    expirationTimestamp: t.string,
    token: t.string,
    clientCertificateData: t.string,
    clientKeyData: t.string,
  }),
})

/** What a command gave: a token, a certificate with its key, or all. */
export interface ExecSecrets {
  readonly token: string | undefined
  /** PEM. */
  readonly cert: string | undefined
  readonly key: string | undefined
  /** ms since the epoch; `undefined`: good for as long as it is taken. */
  readonly expiresMs: number | undefined
}

const wrong = (field: string, message: string): E.Either<ReadonlyArray<StatusCause>, never> =>
  E.left([{ reason: 'FieldValueInvalid', field, message }])

/** Of optional texts, null and the empty one are as good as none. */
const withoutNulls = (status: unknown): unknown =>
  typeof status === 'object' && status !== null
    ? Object.fromEntries(Object.entries(status).filter(([, value]) => value !== null && value !== ''))
    : status

const cleaned = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'status' in value
    ? { ...value, status: withoutNulls(value.status) }
    : value

const check = (
  { apiVersion, status }: t.TypeOf<typeof ExecCredential>,
  expected: string,
): E.Either<ReadonlyArray<StatusCause>, ExecSecrets> => {
  const { expirationTimestamp, token, clientCertificateData: cert, clientKeyData: key } = status
  if (apiVersion !== expected) return wrong('apiVersion', `expected "${expected}", got another one`)
  if (token === undefined && cert === undefined)
    return wrong('status', 'expected a token or a certificate, got neither')
  if ((cert === undefined) !== (key === undefined))
    return wrong('status', 'expected a certificate and its key together')
  const expiresMs = expirationTimestamp === undefined ? undefined : Date.parse(expirationTimestamp)
  return Number.isNaN(expiresMs)
    ? wrong('status.expirationTimestamp', 'expected a time such as "2030-01-01T00:00:00Z", got none')
    : E.right({ token, cert, key, expiresMs })
}

/** Reads what a credential plugin printed. Left: one cause for each wrong field; nothing is quoted. Pure. */
export const parseExecCredential = (
  value: unknown,
  apiVersion: string,
): E.Either<ReadonlyArray<StatusCause>, ExecSecrets> =>
  pipe(
    cleaned(value),
    decodeWith(ExecCredential),
    E.flatMap((credential) => check(credential, apiVersion)),
  )
