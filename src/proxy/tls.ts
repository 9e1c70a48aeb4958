import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'

import type { AggregatorError } from '../errors.ts'
import type { ForwardTransport } from '../forward.ts'
import { E } from '../fp.ts'

/** What Node says of a PEM may quote the key: it goes nowhere. */
const unusable = (what: string): AggregatorError => ({
  _tag: 'BadGateway',
  message: `the TLS settings of what stands behind this path cannot be used: ${what}`,
})

const attempt = <A>(what: string, use: () => A): E.Either<AggregatorError, A> => E.tryCatch(use, () => unusable(what))

/**
 * The TLS settings of a datasource, read once for all its connections. Fails with BadGateway, which names the setting as its
 * operator knows it: `tlsCACert`, `tlsClientCert`, `tlsClientKey`.
 */
export const readTls = ({ ca, cert, key }: ForwardTransport['tls']): E.Either<AggregatorError, SecureContext> => {
  const problems = [
    // a text without a certificate would mean to Node that nobody is trusted
    ca === undefined ? undefined : attempt('tlsCACert cannot be read', () => new X509Certificate(ca)),
    cert === undefined ? undefined : attempt('tlsClientCert cannot be read', () => new X509Certificate(cert)),
    key === undefined ? undefined : attempt('tlsClientKey cannot be read', () => createPrivateKey(key)),
  ]
  for (const problem of problems) if (problem !== undefined && E.isLeft(problem)) return problem
  if (cert !== undefined && key === undefined) return E.left(unusable('tlsClientKey is missing'))
  if (key !== undefined && cert === undefined) return E.left(unusable('tlsClientCert is missing'))
  return attempt('tlsClientKey does not fit tlsClientCert', () => createSecureContext({ ca, cert, key }))
}
